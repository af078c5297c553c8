// Runs the cases of callouts/shims.c, and compares what they logged.

#include "host.h"

namespace sdk {
namespace {

using ShimCase = const char* (*)(int, const char**);

TEST(Shims, EachFunctionDoesWhatItSays) {
  Host host;
  host.set_dword("Number", 77);
  host.set_text("Text", u"h\u00e9llo");
  host.set_text("sub\\Inside", u"x");
  host.map("D:\\mapped\\name.dll", file_of("leaf_two.so"));
  void* library = dlopen(file_of("shims.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto attach = reinterpret_cast<HooklineAttach>(dlsym(library, HOOKLINE_ATTACH_SYMBOL));
  ASSERT_NE(attach, nullptr);
  ASSERT_EQ(attach(host.table()), 0u);
  const auto run = reinterpret_cast<ShimCase>(dlsym(library, "ShimCase"));
  ASSERT_NE(run, nullptr);
  int cases = 0;
  for (const char* name = nullptr;; ++cases) {
    const char* wrong = run(cases, &name);
    if (name == nullptr) {
      break;
    }
    EXPECT_STREQ(wrong, nullptr) << name;
  }
  EXPECT_EQ(cases, 16);
  EXPECT_TRUE(host.logged("2 my callout 42 first; s\u00e9cond"));
  EXPECT_TRUE(host.logged("256 shims.so 0 debug line"));
  EXPECT_TRUE(host.logged("256 shims.so 0 narrow"));
  dlclose(library);
}

TEST(Shims, AHostThatIsTooSmallIsRefusedAndAnOlderOneIsServed) {
  Host host;
  void* library = dlopen(file_of("shims.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto attach = reinterpret_cast<HooklineAttach>(dlsym(library, HOOKLINE_ATTACH_SYMBOL));
  const auto run = reinterpret_cast<ShimCase>(dlsym(library, "ShimCase"));
  HooklineHost older = *host.table();
  older.size = 8;
  EXPECT_EQ(attach(&older), 87u);
  older.size = offsetof(HooklineHost, registry_query);
  EXPECT_EQ(attach(&older), 0u);
  const char* name = nullptr;
  EXPECT_NE(run(13, &name), nullptr);  // the registry is empty
  EXPECT_STREQ(name, "Registry");
  EXPECT_EQ(run(14, &name), nullptr);
  EXPECT_TRUE(host.logged("2 my callout 42"));
  EXPECT_EQ(attach(nullptr), 0u);
  dlclose(library);
}

}  // namespace
}  // namespace sdk
