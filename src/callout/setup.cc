#include "callout/setup.h"

#include <cstring>
#include <type_traits>
#include <utility>

namespace hookline::callout {

namespace {

constexpr uint32_t kNetwork = 1, kWine = 2;  // flags

// Writing and reading are the same list of fields: one function for both.
class Writer {
 public:
  void number(const uint32_t& value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof value);
  }
  template <class Text>
  void text(const Text& value) {
    const auto size = static_cast<uint32_t>(value.size() * sizeof(*value.data()));
    number(size);
    const auto* bytes = reinterpret_cast<const uint8_t*>(value.data());
    out.insert(out.end(), bytes, bytes + size);
  }
  template <class T, class Field>
  void list(const std::vector<T>& values, Field field) {
    number(static_cast<uint32_t>(values.size()));
    for (const T& value : values) field(value);
  }

  std::vector<uint8_t> out;
};

class SetupReader {
 public:
  explicit SetupReader(Bytes bytes) : left_(bytes) {}

  void number(uint32_t& value) {
    value = 0;
    if (left_.size() < sizeof value) return fail();
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
  }
  template <class Text>
  void text(Text& value) {
    using Unit = std::remove_cvref_t<decltype(*value.data())>;
    uint32_t size = 0;
    number(size);
    if (size > left_.size() || size % sizeof(Unit) != 0) return fail();
    value.resize(size / sizeof(Unit));
    if (size != 0) std::memcpy(value.data(), left_.data(), size);
    left_ = left_.subspan(size);
  }
  template <class T, class Field>
  void list(std::vector<T>& values, Field field) {
    uint32_t count = 0;
    number(count);
    for (uint32_t i = 0; i < count && !failed; ++i) field(values.emplace_back());
  }
  bool at_end() const { return left_.empty(); }

  bool failed = false;

 private:
  void fail() {
    failed = true;
    left_ = {};
  }

  Bytes left_;
};

template <class Archive, class AnySetup>
void fields(Archive& archive, AnySetup& setup) {
  auto& config = setup.config;
  const auto text = [&](auto& value) { archive.text(value); };
  archive.text(setup.name);
  archive.text(setup.chain);
  archive.text(config.dir);
  archive.list(config.names, text);
  archive.list(config.files, [&](auto& file) {
    archive.text(file.name);
    archive.text(file.file);
  });
  archive.list(config.registry, [&](auto& value) {
    archive.text(value.subkey);
    archive.text(value.name);
    archive.number(value.type);
    archive.text(value.data);
  });
  archive.list(config.registry_subkeys, text);
  archive.list(setup.readable, text);
  archive.list(setup.writable, text);
}

}  // namespace

std::vector<uint8_t> encode_setup(const Setup& setup) {
  Writer writer;
  writer.number((setup.network ? kNetwork : 0) | (setup.wine ? kWine : 0));
  fields(writer, setup);
  return std::move(writer.out);
}

Result<Setup> decode_setup(Bytes bytes) {
  SetupReader reader(bytes);
  Setup setup;
  uint32_t flags = 0;
  reader.number(flags);
  setup.network = (flags & kNetwork) != 0;
  setup.wine = (flags & kWine) != 0;
  fields(reader, setup);
  if (reader.failed || !reader.at_end()) {
    return fail(ErrorKind::Invalid, "the shared memory holds no setup of a callout");
  }
  return setup;
}

}  // namespace hookline::callout
