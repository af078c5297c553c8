#include "host.h"

#include <strings.h>

#include <cstring>

namespace sdk {
namespace {

std::string lower(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

std::string bytes_of(const std::u16string& text) {
  return {reinterpret_cast<const char*>(text.data()), text.size() * 2};
}

}  // namespace

Host::Host() {
  table_.size = sizeof table_;
  table_.context = this;
  table_.log = &Host::log;
  table_.registry_query = &Host::query;
  table_.map_path = &Host::map_path;
}

void Host::set_dword(const std::string& name, uint32_t value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  values_[lower(name)] = {4, bytes};
}

void Host::set_text(const std::string& name, const std::u16string& text) {
  values_[lower(name)] = {1, bytes_of(text + u'\0')};
}

void Host::set_texts(const std::string& name, const std::vector<std::u16string>& texts) {
  std::u16string all;
  for (const std::u16string& text : texts) {
    all += text + u'\0';
  }
  values_[lower(name)] = {7, bytes_of(all + u'\0')};
}

std::vector<std::string> Host::lines() const {
  std::lock_guard<std::mutex> guard(lock_);
  return lines_;
}

bool Host::logged(const std::string& part) const {
  for (const std::string& line : lines()) {
    if (line.find(part) != std::string::npos) {
      return true;
    }
  }
  return false;
}

void Host::log(void* self, uint32_t severity, const char* source, uint32_t id, const char* text) {
  Host* host = static_cast<Host*>(self);
  std::lock_guard<std::mutex> guard(host->lock_);
  host->lines_.push_back(std::to_string(severity) + " " + source + " " + std::to_string(id) + " " +
                         text);
}

uint32_t Host::query(void* self, const char* subkey, const char* value, uint32_t* type, void* data,
                     uint32_t* size) {
  const Host* host = static_cast<const Host*>(self);
  const std::string folder = lower(*subkey != '\0' ? std::string(subkey) + "\\" : "");
  if (value == nullptr) {
    const auto at = host->values_.lower_bound(folder);
    return at != host->values_.end() && at->first.rfind(folder, 0) == 0 ? 0 : 2;
  }
  const auto found = host->values_.find(folder + lower(value));
  if (found == host->values_.end()) {
    return 2;
  }
  const uint32_t room = *size;
  const std::string& bytes = found->second.bytes;
  *type = found->second.type;
  *size = static_cast<uint32_t>(bytes.size());
  if (data == nullptr || room < bytes.size()) {
    return 234;
  }
  std::memcpy(data, bytes.data(), bytes.size());
  return 0;
}

uint32_t Host::map_path(void* self, const char* path, char* out, uint32_t size) {
  const Host* host = static_cast<const Host*>(self);
  const auto found = host->paths_.find(path);
  if (found == host->paths_.end() || found->second.size() >= size) {
    return 0;
  }
  std::memcpy(out, found->second.c_str(), found->second.size() + 1);
  return static_cast<uint32_t>(found->second.size());
}

Callout::Callout(const std::string& file, Host* host, const std::u16string& chain) {
  library = dlopen(file_of(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    ADD_FAILURE() << dlerror();
    abort();
  }
  const auto attach = reinterpret_cast<HooklineAttach>(dlsym(library, HOOKLINE_ATTACH_SYMBOL));
  if (attach == nullptr || (host != nullptr && attach(host->table()) != 0)) {
    ADD_FAILURE() << file << " does not attach";
    abort();
  }
  const auto entry =
      reinterpret_cast<LPDHCP_ENTRY_POINT_FUNC>(dlsym(library, DHCP_CALLOUT_ENTRY_POINT));
  std::u16string names = chain + u'\0';
  names += u'\0';
  result = entry != nullptr ? entry(names.data(), 0, &hooks) : 1;
}

Callout::~Callout() { dlclose(library); }

Packet::Packet() {
  static const BYTE kMac[] = {2, 0, 0x5e, 0x10, 0, 1};
  static const BYTE kOptions[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 55, 3, 1, 3, 6, 255};
  bytes[HOOKLINE_OP] = bytes[HOOKLINE_HTYPE] = 1;
  bytes[HOOKLINE_HLEN] = 6;
  std::memcpy(bytes + HOOKLINE_CHADDR, kMac, sizeof kMac);
  std::memcpy(bytes + HOOKLINE_COOKIE, kOptions, sizeof kOptions);
  size = 300;
}

BOOL Packet::new_packet(const Callout& callout) {
  LPBYTE at = bytes;
  BOOL process = TRUE;
  callout.hooks.DhcpNewPktHook(&at, &size, 0x0A4D0001, nullptr, &context, &process);
  EXPECT_EQ(at, bytes);
  return process;
}

void Packet::send(const Callout& callout) {
  LPBYTE at = bytes;
  callout.hooks.DhcpPktSendHook(&at, &size, DHCP_SEND_PACKET, 0x0A4D0001, nullptr, context);
}

void Packet::drop(const Callout& callout, DWORD code) {
  LPBYTE at = bytes;
  DWORD length = size;
  callout.hooks.DhcpPktDropHook(&at, &length, code, 0x0A4D0001, nullptr, context);
}

std::string file_of(const std::string& name) { return std::string(SDK_CALLOUTS) + "/" + name; }

}  // namespace sdk
