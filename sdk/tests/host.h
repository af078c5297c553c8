#pragma once

// A test's side of a callout: its services, its library, and packets for its hooks.

#include <dhcpssdk.h>
#include <dlfcn.h>
#include <hookline/host.h>
#include <hookline/packet.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sdk {

// Keeps what the callout logs, and answers its questions about the registry and paths.
class Host {
 public:
  struct Value {
    uint32_t type;
    std::string bytes;
  };

  Host();
  const HooklineHost* table() const { return &table_; }

  void set_dword(const std::string& name, uint32_t value);
  void set_text(const std::string& name, const std::u16string& text);
  void set_texts(const std::string& name, const std::vector<std::u16string>& texts);
  void map(const std::string& windows_path, const std::string& file) {
    paths_[windows_path] = file;
  }

  std::vector<std::string> lines() const;  // "severity source id text"
  bool logged(const std::string& part) const;

 private:
  static void log(void* self, uint32_t severity, const char* source, uint32_t id, const char* text);
  static uint32_t query(void* self, const char* subkey, const char* value, uint32_t* type,
                        void* data, uint32_t* size);
  static uint32_t map_path(void* self, const char* path, char* out, uint32_t size);

  HooklineHost table_{};
  mutable std::mutex lock_;
  std::vector<std::string> lines_;
  std::map<std::string, Value> values_;  // "subkey\\value" in lower case
  std::map<std::string, std::string> paths_;
};

// A loaded callout with its table. Aborts the test program if it does not load.
class Callout {
 public:
  Callout(const std::string& file, Host* host, const std::u16string& chain = u"");
  ~Callout();
  Callout(const Callout&) = delete;

  DHCP_CALLOUT_TABLE hooks{};
  void* library = nullptr;
  DWORD result = 0;
};

// A buffer as the server gives it: 4096 bytes, of which `size` are a packet.
struct Packet {
  Packet();  // a DISCOVER of 02:00:5e:10:00:01
  BYTE bytes[HOOKLINE_PACKET_CAPACITY] = {};
  DWORD size = 0;
  void* context = nullptr;

  BOOL new_packet(const Callout& callout);
  void send(const Callout& callout);
  void drop(const Callout& callout, DWORD code);
};

std::string file_of(const std::string& name);  // a callout that the build has made

}  // namespace sdk
