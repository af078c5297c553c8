#include "io/linux/wine.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>

#include "base/utf16.h"
#include "io/helper_side.h"
#include "io/linux/fd.h"
#include "io/linux/jail.h"

namespace hookline::io {

namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "/prefix";
constexpr const char* kDriveC = "/prefix/drive_c";
constexpr const char* kProgramFolder = "/prefix/drive_c/hookline";  // C:\hookline
// Below /tmp. Debian's wineserver reads its name in the prefix, and believes one of eleven letters.
constexpr const char* kServerFolder = "wine-helper";
// What ends a process without an exception, and which DLLs are lacking.
constexpr const char* kDebug = "WINEDEBUG=-all,err+virtual,err+module";
constexpr int kServerWaitMs = 10'000;

// Wine's services and installers, which nobody needs here.
constexpr const char* kOverrides =
    "WINEDLLOVERRIDES=services.exe,explorer.exe,plugplay.exe,winedevice.exe,svchost.exe,rpcss.exe,"
    "wineboot.exe,winemenubuilder.exe,mscoree,mshtml=";

tl::unexpected<Error> failed(const std::string& what, const std::error_code& error) {
  return fail(ErrorKind::Io, what + ": " + error.message());
}

Result<void> write_new(const std::string& path, std::string_view text) {
  // Debian's wineserver removes a file of its own that others may write.
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return system_failure("writing " + path);
  }
  return {};
}

// The entry of `folder` that Windows takes for `name`; else `name`.
std::string same_name(const fs::path& folder, const std::string& name) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (equal_ignoring_case(entry.path().filename().string(), name)) {
      return entry.path().filename().string();
    }
  }
  return name;
}

// Wine's own DLLs are seen through one link; a folder that is to hold others too has one for each.
Result<void> make_real(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_symlink(folder, error)) return {};
  fs::remove(folder, error);
  fs::create_directory(folder, error);
  for (const auto& entry : fs::directory_iterator(kWineDlls, error)) {
    fs::create_symlink(entry.path(), folder / entry.path().filename(), error);
  }
  if (error) return failed(folder, error);
  return {};
}

std::vector<std::string> parts_of(const std::string& windows_path) {
  std::vector<std::string> parts(1);
  for (const char c : windows_path) {
    if (c != '\\' && c != '/') {
      parts.back() += c;
    } else if (!parts.back().empty()) {
      parts.emplace_back();
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

// Drives other than C: are folders, too.
Result<fs::path> drive_folder(const std::string& drive) {
  if (drive.size() != 2 || drive[1] != ':') {
    return fail(ErrorKind::Invalid, drive + ": not a drive of Windows");
  }
  const auto letter = static_cast<char>(drive[0] | 0x20);
  if (letter == 'c') return fs::path(kDriveC);
  if (letter < 'a' || letter > 'y') {
    return fail(ErrorKind::Invalid, drive + ": Z: is the root folder of Linux already");
  }
  const fs::path folder = fs::path(kPrefix) / fmt::format("drive_{}", letter);
  std::error_code error;
  fs::create_directory(folder, error);
  fs::create_symlink(fmt::format("../drive_{}", letter),
                     fs::path(kPrefix) / "dosdevices" / fmt::format("{}:", letter), error);
  return folder;
}

Result<void> place(const WineLink& link) {
  std::vector<std::string> parts = parts_of(link.windows_path);
  fs::path folder = kProgramFolder;
  std::error_code error;
  if (parts.size() > 1) {
    auto drive = drive_folder(parts.front());
    if (!drive) return tl::unexpected(drive.error());
    folder = *drive;
    for (size_t i = 1; i + 1 < parts.size(); ++i) {
      folder /= same_name(folder, parts[i]);
      fs::create_directories(folder, error);
      if (auto made = make_real(folder); !made) return made;
    }
  }
  if (parts.empty()) return {};
  const fs::path at = folder / same_name(folder, parts.back());
  fs::remove(at, error);
  fs::create_symlink(link.file, at, error);
  if (error) return failed(link.windows_path, error);
  return {};
}

Result<void> make_prefix(const WinePlan& plan) {
  std::error_code error;
  const fs::path prefix = kPrefix;
  for (const char* folder : {"dosdevices", "drive_c/windows/temp", "drive_c/hookline"}) {
    fs::create_directories(prefix / folder, error);
  }
  fs::create_symlink("../drive_c", prefix / "dosdevices/c:", error);
  fs::create_symlink("/", prefix / "dosdevices/z:", error);
  fs::create_symlink(kWineDlls, prefix / "drive_c/windows/system32", error);
  fs::create_symlink(plan.program, prefix / "drive_c/hookline/hookline-host.exe", error);
  if (error) return failed("making Wine's folder", error);
  // The one thing of /proc that Wine cannot do without: where its own libraries are.
  if (::symlink(kWineProgram, "/proc/self/exe") != 0) return system_failure("/proc/self/exe");
  if (::mkdir(fmt::format("/tmp/{}", kServerFolder).c_str(), 0700) != 0) {
    return system_failure("making wineserver's folder");
  }
  const std::string empty = "WINE REGISTRY Version 2\n\n#arch=win64\n";
  for (const auto& [name, text] :
       {std::pair<const char*, std::string>{"system.reg", plan.system_reg},
        {"user.reg", empty},
        {"userdef.reg", empty},
        {"fonts.conf", "<fontconfig/>\n"},
        {".update-timestamp", "disable\n"},
        {"wineserver", kServerFolder}}) {
    if (auto done = write_new(prefix / name, text); !done) return done;
  }
  for (const WineLink& link : plan.links) {
    if (auto done = place(link); !done) return done;
  }
  return {};
}

[[noreturn]] void run(const char* program, std::initializer_list<const char*> arguments) {
  std::vector<std::string> words = {
      "WINEPREFIX=/prefix", kDebug,
      "WINELOADERNOEXEC=1", kOverrides,
      "HOME=/prefix",       "FONTCONFIG_FILE=/prefix/fonts.conf",
      "LC_ALL=C.UTF-8",     "PATH=/usr/bin:/bin",
      "USER=hookline",      fmt::format("WINESERVER={}", kWineServer)};
  if (const char* zone = std::getenv("TZ")) words.push_back(fmt::format("TZ={}", zone));
  std::vector<char*> environment, list;
  for (std::string& word : words) environment.push_back(word.data());
  environment.push_back(nullptr);
  for (const char* argument : arguments) list.push_back(const_cast<char*>(argument));
  list.push_back(nullptr);
  ::execve(program, list.data(), environment.data());
  fmt::print(stderr, "{}\n", system_failure(program).value().text);
  ::_exit(127);
}

}  // namespace

bool is_windows_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 2> head{};
  return file && ::pread(file.get(), head.data(), head.size(), 0) == 2 && head[0] == 'M' &&
         head[1] == 'Z';
}

namespace {

constexpr size_t kDllBytesMax = size_t{512} << 20;

Result<std::vector<uint8_t>> read_whole(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) return system_failure("it cannot be opened");
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::Invalid, "not a regular file");
  if (facts.st_size > static_cast<off_t>(kDllBytesMax)) {
    return fail(ErrorKind::Invalid, "it has more than 512 MiB");
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(facts.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t size =
        ::pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (size < 0) return system_failure("it cannot be read");
    if (size == 0) break;
    done += static_cast<size_t>(size);
  }
  bytes.resize(done);
  return bytes;
}

// Exports of the DLLs beside a file, and of Wine's.
class KnownDlls {
 public:
  explicit KnownDlls(std::string folder) : folder_(std::move(folder)) {}

  const std::unordered_set<std::string>* exports(const std::string& dll) {
    const auto known = known_.find(dll);
    if (known != known_.end()) return known->second ? &*known->second : nullptr;
    auto& exports = known_[dll];
    for (const std::string& folder : {folder_, std::string(kWineDlls)}) {
      const auto bytes = read_whole(folder + "/" + same_name(folder, dll));
      auto file = bytes ? read_pe(*bytes) : tl::unexpected(bytes.error());
      if (!file) continue;
      exports = std::move(file->exports);
      return &*exports;
    }
    return nullptr;
  }

 private:
  std::string folder_;
  std::map<std::string, std::optional<std::unordered_set<std::string>>> known_;
};

}  // namespace

Result<std::vector<PeUnmet>> check_windows_dll(const std::string& path) {
  const auto bytes = read_whole(path);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto file = read_pe(*bytes);
  if (!file) return tl::unexpected(file.error());
  if (const auto why = why_no_callout_dll(*file)) return fail(ErrorKind::Invalid, *why);
  KnownDlls known(fs::path(path).parent_path().string());
  return unmet_imports(*file, [&](const std::string& dll) { return known.exports(dll); });
}

std::string missing_dlls(const std::vector<PeUnmet>& unmet) {
  std::string names;
  for (const PeUnmet& one : unmet) {
    if (one.function.empty() && !one.delayed) names += (names.empty() ? "" : ", ") + one.dll;
  }
  if (names.empty()) return names;
  return fmt::format("it needs {}, which neither lies beside it nor is part of Wine", names);
}

Result<void> look_for_wine(const std::string& program) {
  for (const char* file : {kWineProgram, kWineServer, kWineDlls}) {
    if (::access(file, R_OK) != 0) {
      return fail(ErrorKind::Missing,
                  fmt::format("Wine is not installed ({} is not there), and Windows DLLs need it: "
                              "install Debian's package wine64",
                              file));
    }
  }
  if (::access(program.c_str(), R_OK) != 0) {
    return fail(ErrorKind::Missing,
                fmt::format("{} is not installed, and Windows DLLs need it: build hookline with "
                            "g++-mingw-w64-x86-64-posix",
                            program));
  }
  return {};
}

namespace {

// It listens there, once it is ready: Wine looks for it by the prefix's device and number.
std::string server_socket() {
  struct stat facts {};
  ::stat(kPrefix, &facts);
  return fmt::format("/tmp/{}/server-{:x}-{:x}/socket", kServerFolder,
                     static_cast<uint64_t>(facts.st_dev), static_cast<uint64_t>(facts.st_ino));
}

// It is there before anybody listens, and Wine's program does not try twice.
bool is_heard(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket &&
         ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Result<void> start_server(const SandboxPlan& sandbox) {
  const pid_t client = ::getpid();
  const pid_t server = ::fork();
  if (server < 0) return system_failure("starting wineserver");
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "wineserver64");
    ::syscall(SYS_close_range, kHelperMemoryFd, ~0u, 0);
    if (const auto confined = enter_wine_sandbox(sandbox, {client, kWineServer}); !confined) {
      fmt::print(stderr, "wineserver: {}\n", confined.error().text);
      ::_exit(127);
    }
    run(kWineServer, {kWineServer, "-f", "-p"});
  }
  const std::string socket = server_socket();
  for (int waited_ms = 0; waited_ms < kServerWaitMs; ++waited_ms) {
    if (is_heard(socket)) return {};
    int status = 0;
    if (::waitpid(server, &status, WNOHANG) == server) {
      return fail(ErrorKind::Io, "wineserver has ended at once");
    }
    const timespec moment{0, 1'000'000};
    ::nanosleep(&moment, nullptr);
  }
  return fail(ErrorKind::Io, "wineserver is not ready after 10 s");
}

Result<void> prepare(const WinePlan& plan) {
  JailPlan jail{system_readable(plan.sandbox.network),
                plan.sandbox.writable,
                {kPrefix, "/tmp", "/proc/self"},
                plan.sandbox.network};
  const auto& readable = plan.sandbox.readable;
  jail.readable.insert(jail.readable.end(), readable.begin(), readable.end());
  jail.readable.push_back(plan.program);
  if (auto done = enter_jail(jail); !done) return done;
  if (auto done = make_prefix(plan); !done) return done;
  if (auto done = leave_capabilities(); !done) return done;
  SandboxPlan sandbox = plan.sandbox;
  sandbox.readable.push_back(plan.program);
  for (const char* own : {kPrefix, "/tmp"}) sandbox.writable.emplace_back(own);
  if (auto done = start_server(sandbox); !done) return done;
  const auto confined = enter_wine_sandbox(sandbox, {::getpid(), kWineProgram});
  if (!confined) return tl::unexpected(confined.error());
  return {};
}

}  // namespace

Error become_wine(const WinePlan& plan) {
  if (auto done = prepare(plan); !done) return done.error();
  run(kWineProgram, {kWineProgram, "C:\\hookline\\hookline-host.exe"});
}

}  // namespace hookline::io
