#include "io/linux/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace hookline::io {
namespace {

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() {
    std::string name = std::filesystem::temp_directory_path() / "hookline-directory-XXXXXX";
    root_ = ::mkdtemp(name.data());
    path_ = root_ + "/state";
    auto opened = LinuxDirectory::open(path_);
    EXPECT_TRUE(opened) << opened.error().text;
    linux_directory_ = opened->get();
    directory_ = std::move(*opened);
  }
  ~DirectoryTest() override { std::filesystem::remove_all(root_); }

  std::string text(std::string_view name) {
    auto contents = directory_->read(name);
    return contents ? std::string(as_text((*contents)->view())) : contents.error().text;
  }

  std::string root_;
  std::string path_;
  std::unique_ptr<Directory> directory_;
  LinuxDirectory* linux_directory_ = nullptr;
};

TEST_F(DirectoryTest, IsMadeForItsOwnerAndGroup) {
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0750u);
  EXPECT_EQ(directory_->path(), path_);
  EXPECT_TRUE(LinuxDirectory::open(path_));  // and opened when it is there
}

TEST_F(DirectoryTest, WithoutAParentItSaysWhich) {
  const auto opened = LinuxDirectory::open(root_ + "/no/such");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::Missing);
  EXPECT_NE(opened.error().text.find(root_ + "/no/such"), std::string::npos);
}

TEST_F(DirectoryTest, AFileIsNotADirectory) {
  ASSERT_TRUE(directory_->create("file"));
  EXPECT_FALSE(LinuxDirectory::open(path_ + "/file"));
}

TEST_F(DirectoryTest, WritesSyncsAndReads) {
  auto file = directory_->create("a");
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->write_at(3, as_bytes("def")));
  EXPECT_TRUE((*file)->write_at(0, as_bytes("abc")));
  EXPECT_TRUE((*file)->sync());
  EXPECT_TRUE(directory_->sync());
  EXPECT_EQ(text("a"), "abcdef");
  auto again = directory_->open("a");
  ASSERT_TRUE(again);
  EXPECT_TRUE((*again)->write_at(6, as_bytes("g")));
  EXPECT_EQ(text("a"), "abcdefg");
}

TEST_F(DirectoryTest, PreallocatedReadsAsZerosAndKeepsWhatIsThere) {
  auto file = directory_->create("a");
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->write_at(0, as_bytes("abc")));
  EXPECT_TRUE((*file)->preallocate(100'000));
  const auto contents = directory_->read("a");
  ASSERT_TRUE(contents);
  ASSERT_EQ((*contents)->view().size(), 100'000u);
  EXPECT_EQ(as_text((*contents)->view().first(3)), "abc");
  for (const uint8_t byte : (*contents)->view().subspan(3)) ASSERT_EQ(byte, 0);
  struct stat status {};
  ASSERT_EQ(::stat((path_ + "/a").c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 100'000);
}

TEST_F(DirectoryTest, AnEmptyFileIsAnEmptyView) {
  ASSERT_TRUE(directory_->create("a"));
  const auto contents = directory_->read("a");
  ASSERT_TRUE(contents);
  EXPECT_TRUE((*contents)->view().empty());
}

TEST_F(DirectoryTest, ListsRegularFilesSorted) {
  for (const char* name : {"b", "a", "c"}) ASSERT_TRUE(directory_->create(name));
  ASSERT_TRUE(directory_->lock());
  std::filesystem::create_directory(path_ + "/folder");
  std::filesystem::create_symlink("a", path_ + "/link");
  EXPECT_EQ(*directory_->list(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(directory_->list()->size(), 3u);  // the second time too
}

TEST_F(DirectoryTest, CreateRefusesWhatExistsOpenWhatDoesNot) {
  ASSERT_TRUE(directory_->create("a"));
  EXPECT_EQ(directory_->create("a").error().kind, ErrorKind::Invalid);
  EXPECT_EQ(directory_->open("b").error().kind, ErrorKind::Missing);
  EXPECT_EQ(directory_->read("b").error().kind, ErrorKind::Missing);
  EXPECT_EQ(directory_->remove("b").error().kind, ErrorKind::Missing);
  EXPECT_EQ(directory_->rename("b", "c").error().kind, ErrorKind::Missing);
}

TEST_F(DirectoryTest, RenameReplacesRemoveRemoves) {
  ASSERT_TRUE((*directory_->create("a"))->write_at(0, as_bytes("new")));
  ASSERT_TRUE((*directory_->create("b"))->write_at(0, as_bytes("old")));
  EXPECT_TRUE(directory_->rename("a", "b"));
  EXPECT_EQ(text("b"), "new");
  EXPECT_TRUE(directory_->remove("b"));
  EXPECT_TRUE(directory_->list()->empty());
}

TEST_F(DirectoryTest, SymbolicLinksAreNotFollowed) {
  std::filesystem::create_symlink("/etc/passwd", path_ + "/link");
  EXPECT_FALSE(directory_->read("link"));
  EXPECT_FALSE(directory_->open("link"));
}

TEST_F(DirectoryTest, AMovedDirectoryIsStillTheSame) {
  std::filesystem::rename(path_, root_ + "/elsewhere");
  EXPECT_TRUE(directory_->create("a"));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/elsewhere/a"));
}

TEST_F(DirectoryTest, TheLockIsForOneAndNamesIt) {
  ASSERT_TRUE(directory_->lock());
  EXPECT_TRUE(directory_->lock());  // mine already
  auto second = LinuxDirectory::open(path_);
  const auto refused = (*second)->lock();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Busy);
  EXPECT_NE(refused.error().text.find(std::to_string(::getpid())), std::string::npos)
      << refused.error().text;
  directory_.reset();
  EXPECT_TRUE((*second)->lock());
}

TEST_F(DirectoryTest, TheLockGoesWithItsProcess) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(directory_->lock() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(directory_->lock());
}

TEST_F(DirectoryTest, IsGivenToAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_TRUE(directory_->create("a"));
  ASSERT_TRUE(directory_->lock());
  ASSERT_TRUE(linux_directory_->give_to(4711, 4712));
  for (const char* name : {"", "/a", "/lock"}) {
    struct stat status {};
    ASSERT_EQ(::stat((path_ + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 4711u);
    EXPECT_EQ(status.st_gid, 4712u);
  }
}

// A file system of one megabyte, in a mount namespace of the child's own.
TEST_F(DirectoryTest, AFullDiskIsNoSpaceAndChangesNothing) {
  constexpr int kNotPermitted = 77;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("small", path_.c_str(), "tmpfs", 0, "size=1m") != 0) {
      ::_exit(kNotPermitted);
    }
    auto full = LinuxDirectory::open(path_);
    auto file = (*full)->create("a");
    EXPECT_TRUE((*file)->write_at(0, as_bytes("abc")));
    const auto refused = (*file)->preallocate(2 << 20);
    EXPECT_TRUE(!refused && refused.error().kind == ErrorKind::NoSpace);
    EXPECT_EQ((*(*full)->read("a"))->view().size(), 3u);
    EXPECT_TRUE((*file)->preallocate(500'000));
    const std::vector<uint8_t> much(2 << 20, 1);
    const auto short_write = (*file)->write_at(0, much);
    EXPECT_TRUE(!short_write && short_write.error().kind == ErrorKind::NoSpace);
    std::fflush(nullptr);
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPermitted) {
    GTEST_SKIP() << "this process may not mount: run as root";
  }
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace hookline::io
