#include "config/schema.h"

#include "base/limits.h"

namespace hookline::config {

namespace {

constexpr uint64_t kWeek = 7 * 86400;
// sun_path of a Unix socket's address, with its closing NUL.
constexpr uint64_t kSocketPathBytesMax = 107;
constexpr uint64_t kPathBytesMax = 4095;

using enum Section;
using enum Type;

// In the order of docs/configuration.md.
constexpr Key kKeys[] = {
    {File, "server", Table, 0, 0, "", "", "the server itself"},
    {File, "leases", Table, 0, 0, "", "", "lease times of scopes that set none of their own"},
    {File, "options", Options, 0, 0, "", "", "options for every client"},
    {File, "scope", Tables, 0, 0, "", "", "a subnet, and what its clients get"},
    {File, "callouts", Table, 0, 0, "", "", "code of others on the packet path"},
    {File, "filter", Table, 0, 0, "", "", "what passes in and out, and drivers that see it"},
    {File, "leasequery", Table, 0, 0, "", "", "relays that may ask what is leased to whom"},

    {Server, "interfaces", TextList, 1, 15, "must be set", R"(["eth0", "eth1"])",
     "the interfaces to serve; \"*\" is every Ethernet interface but lo"},
    {Server, "state-dir", Text, 1, kPathBytesMax, "/var/lib/hookline", R"("/var/lib/hookline")",
     "where the lease journal lives; read at start only"},
    {Server, "control", Text, 1, kSocketPathBytesMax, "/run/hookline/control.sock",
     R"("/run/hookline/control.sock")", "the operator's socket; read at start only"},
    {Server, "user", Text, 1, 32, "hookline", R"("hookline")",
     "whom to become once what needs root is open; \"root\" stays root; read at start only"},
    {Server, "authoritative", Boolean, 0, 0, "true", "false",
     "answer clients that ask for a wrong address with a NAK; otherwise with silence"},
    {Server, "authorized", Boolean, 0, 0, "true", "false", "false drops every packet as UNAUTH"},
    {Server, "max-packet-age", Duration, 0, 3600, "5s", R"("2s")",
     "drop what waited longer than this; \"0s\" drops nothing for its age"},

    {Leases, "default-time", Duration, 1, kLeaseTimeInfinite, "8h", R"("8h")",
     "the lease of a client that asks for no time of its own"},
    {Leases, "min-time", Duration, 1, kLeaseTimeInfinite, "5m, or default-time where shorter",
     R"("5m")", "the shortest lease that a client can ask for"},
    {Leases, "max-time", Duration, 1, kLeaseTimeInfinite, "1d, or default-time where longer",
     R"("1d")", "the longest lease that a client can ask for"},
    {Leases, "renew-time", Type::LeasePoint, 1, 0, "50%", R"("50%")",
     "T1, when clients begin to renew: a duration or a share of the lease"},
    {Leases, "rebind-time", Type::LeasePoint, 1, 0, "87.5%", R"("87.5%")",
     "T2, when clients turn to any server: a duration or a share of the lease"},
    {Leases, "offer-hold", Duration, 1, 3600, "60s", R"("60s")",
     "how long an offered address is held for its client"},
    {Leases, "decline-quarantine", Duration, 1, 52 * kWeek, "1h", R"("1h")",
     "how long an address rests after a client found it in use"},
    {Leases, "conflict-detection", Boolean, 0, 0, "false", "true",
     "ask the network whether an address is in use before a client gets it"},
    {Leases, "conflict-wait", FineDuration, 10'000'000, 2'000'000'000, "500ms", R"("500ms")",
     "how long to wait for an answer"},
    {Leases, "conflict-attempts", Integer, 1, 5, "1", "2",
     "how often to ask about an address, each time for conflict-wait"},

    {Scope, "id", Text, 1, kScopeIdBytesMax, "must be set", R"("office")",
     "the scope's name, for ever: its leases hang on it; letters, digits, \"-\", \"_\" and \".\""},
    {Scope, "subnet", Subnet, 0, 0, "must be set", R"("10.77.0.0/24")",
     "the network; scopes must not overlap"},
    {Scope, "ranges", RangeList, 0, 0, "none: reservations only", R"(["10.77.0.100-10.77.0.200"])",
     "the addresses that any client may get"},
    {Scope, "exclude", RangeList, 0, 0, "none", R"(["10.77.0.150-10.77.0.160", "10.77.0.180"])",
     "addresses of the ranges that nobody gets"},
    {Scope, "lease-time", Duration, 1, kLeaseTimeInfinite, "default-time of [leases]", R"("1h")",
     "default-time for this scope"},
    {Scope, "min-time", Duration, 1, kLeaseTimeInfinite, "min-time of [leases]", R"("10m")",
     "min-time for this scope"},
    {Scope, "max-time", Duration, 1, kLeaseTimeInfinite, "max-time of [leases]", R"("2h")",
     "max-time for this scope"},
    {Scope, "renew-time", Type::LeasePoint, 1, 0, "renew-time of [leases]", R"("30m")",
     "T1 for this scope"},
    {Scope, "rebind-time", Type::LeasePoint, 1, 0, "rebind-time of [leases]", R"("50m")",
     "T2 for this scope"},
    {Scope, "interface", Text, 1, 15, "by the interface's address or by the relay", R"("eth0")",
     "clients on this interface belong to this scope, whatever the interface's address"},
    {Scope, "superscope", Text, 1, kScopeIdBytesMax, "none", R"("campus")",
     "scopes with the same name share a wire: when one is exhausted, another serves"},
    {Scope, "relays", AddressList, 0, 0, "none", R"(["192.0.2.1"])",
     "relay addresses (giaddr or link selection) outside the subnet that mean this scope"},
    {Scope, "bootp", Boolean, 0, 0, "false", "true",
     "BOOTP clients are served from the ranges too; reservations serve them always"},
    {Scope, "conflict-detection", Boolean, 0, 0, "conflict-detection of [leases]", "true",
     "conflict-detection for this scope"},
    {Scope, "options", Options, 0, 0, "", "", "options of this scope, over the global ones"},
    {Scope, "boot", Table, 0, 0, "", "", "what network boot loaders are told"},
    {Scope, "reservation", Tables, 0, 0, "", "", "an address that is one client's own"},

    {Boot, "next-server", Address, 0, 0, "none", R"("10.77.0.9")",
     "the boot server's address: siaddr"},
    {Boot, "server-name", Text, 0, 63, "none", R"("boot.example.org")",
     "the boot server's name: sname"},
    {Boot, "file", Text, 0, 127, "none", R"("undionly.kpxe")", "the boot file's name: file"},
    {Boot, "match", Tables, 0, 0, "", "", "other values for PXE clients of some architectures"},

    {BootMatch, "architecture", Architectures, 1, 0, "must be set", R"(["efi-x64", 16])",
     "the client's architecture (option 93), by name or number; the first match wins"},
    {BootMatch, "next-server", Address, 0, 0, "as without a match", R"("10.77.0.9")",
     "siaddr for these clients"},
    {BootMatch, "server-name", Text, 0, 63, "as without a match", R"("boot.example.org")",
     "sname for these clients"},
    {BootMatch, "file", Text, 0, 127, "as without a match", R"("ipxe.efi")",
     "file for these clients"},

    {Reservation, "hw-address", Hex, 1, 16, "one of the four must be set", R"("02:00:00:00:00:07")",
     "the client's hardware address"},
    {Reservation, "client-id", HexOrText, 1, kClientIdBytesMax, "one of the four must be set",
     R"("hex:01020000000007")", "the client's identifier (option 61), all its bytes"},
    {Reservation, "circuit-id", HexOrText, 1, 253, "one of the four must be set", R"("ge-0/0/1")",
     "the relay's circuit (option 82, 1) that the client sits on"},
    {Reservation, "remote-id", HexOrText, 1, 253, "one of the four must be set",
     R"("hex:0006020000000001")", "the relay's remote end (option 82, 2) that the client sits on"},
    {Reservation, "hw-type", Integer, 1, 255, "1 (Ethernet)", "6",
     "the hardware type that goes with hw-address"},
    {Reservation, "address", Address, 0, 0, "must be set", R"("10.77.0.7")",
     "the client's address: inside the subnet, inside the ranges or not"},
    {Reservation, "hostname", Text, 1, kHostnameBytesMax, "none", R"("printer")",
     "the client's name: option 12"},
    {Reservation, "options", Options, 0, 0, "", "", "options of this client, over the scope's"},
    {Reservation, "boot", Table, 0, 0, "", "", "boot fields of this client, over the scope's"},

    {Callouts, "enabled", Boolean, 0, 0, "true; with registry, its CalloutEnabled", "true",
     "false loads no callout"},
    {Callouts, "dlls", TextList, 1, kPathBytesMax, "none; with registry, its CalloutDlls",
     R"(["audit.so", "C:\\Windows\\System32\\mac.dll"])",
     "callouts that chain among themselves: the first that loads is told the others' names"},
    {Callouts, "registry", Text, 1, kPathBytesMax, "none", R"("exported.reg")",
     "a registry export of DHCPServer\\Parameters: which DLLs, and what callouts read of that key"},
    {Callouts, "order", Text, 1, 16, "alphabetical", R"("listed")",
     "in which order dlls and CalloutDlls are tried: \"alphabetical\" or \"listed\""},
    {Callouts, "map", Files, 1, kPathBytesMax, "none",
     R"({ "C:\\Windows\\System32\\mac.dll" = "mac.so" })",
     "which file stands for a Windows path or a name"},
    {Callouts, "warn-slower-than", FineDuration, 0, 60'000'000'000, "1ms", R"("500us")",
     "a hook that takes longer is logged and counted; \"0s\" logs none"},
    {Callouts, "host", Text, 1, 16, "isolated", R"("in-process")",
     "where its hooks run: \"isolated\" is in a process of its own, \"in-process\" in the "
     "server, \"wine\" in one of Wine's, for Windows DLLs"},
    {Callouts, "on-fault", Text, 1, 16, "open", R"("closed")",
     "while it is not there, packets go on (\"open\") or are dropped (\"closed\")"},
    {Callouts, "budget", FineDuration, 100'000, 60'000'000'000, "50ms", R"("20ms")",
     "a call of a hook that takes longer is a fault; 100us to 1m"},
    {Callouts, "memory-max", Text, 1, 16, "256M", R"("64M")",
     "how much memory it may have: 48M to 1024G; \"0\" is no limit"},
    {Callouts, "restart", Table, 0, 0, "", "", "when it is started again after a fault"},
    {Callouts, "network", Boolean, 0, 0, "false", "true",
     "whether it may open sockets, of IPv4 and IPv6"},
    {Callouts, "readable", TextList, 0, kPathBytesMax, "none", R"(["/etc/hookline/lists"])",
     "files and folders that it may read, besides its own folder and the configuration's"},
    {Callouts, "writable", TextList, 0, kPathBytesMax, "none", R"(["/var/log/hookline"])",
     "files and folders that it may write"},
    {Callouts, "user", Text, 1, 32, "hookline-callouts; where it is missing, the server's",
     R"("hookline-callouts")", "whom the processes of isolated callouts become"},
    {Callouts, "dll", Tables, 0, 0, "", "",
     "a callout that the server calls beside others, instead of dlls and registry; up to 16"},

    {CalloutDll, "path", Text, 1, kPathBytesMax, "must be set", R"("audit.so")",
     "the callout's file, or a name that map has"},
    {CalloutDll, "host", Text, 1, 16, "as in [callouts]", R"("in-process")",
     "where its hooks run: \"isolated\" is in a process of its own, \"in-process\" in the "
     "server, \"wine\" in one of Wine's, for Windows DLLs"},
    {CalloutDll, "on-fault", Text, 1, 16, "as in [callouts]", R"("closed")",
     "while it is not there, packets go on (\"open\") or are dropped (\"closed\")"},
    {CalloutDll, "budget", FineDuration, 100'000, 60'000'000'000, "as in [callouts]", R"("20ms")",
     "a call of a hook that takes longer is a fault; 100us to 1m"},
    {CalloutDll, "memory-max", Text, 1, 16, "as in [callouts]", R"("64M")",
     "how much memory it may have: 48M to 1024G; \"0\" is no limit"},
    {CalloutDll, "restart", Table, 0, 0, "as in [callouts]", "",
     "when it is started again after a fault"},
    {CalloutDll, "network", Boolean, 0, 0, "as in [callouts]", "true",
     "whether it may open sockets, of IPv4 and IPv6"},
    {CalloutDll, "readable", TextList, 0, kPathBytesMax, "as in [callouts]",
     R"(["/etc/hookline/lists"])",
     "files and folders that it may read, besides its own folder and the configuration's"},
    {CalloutDll, "writable", TextList, 0, kPathBytesMax, "as in [callouts]",
     R"(["/var/log/hookline"])", "files and folders that it may write"},

    {Section::CalloutRestart, "first", FineDuration, 1'000'000, 3'600'000'000'000, "100ms",
     R"("50ms")", "how long after the first fault; each that follows doubles it"},
    {Section::CalloutRestart, "longest", FineDuration, 1'000'000, 3'600'000'000'000, "30s",
     R"("1m")", "what doubling ends at; at least first"},
    {Section::CalloutRestart, "faults-max", Integer, 1, 1'000'000, "5", "10",
     "so many faults, none of them after a good minute, and it is not started any more"},

    {Filter, "completion", Text, 1, 16, "queued", R"("inline")",
     "when a driver's injections complete: \"queued\" is later, \"inline\" inside the call, for "
     "tests"},
    {Filter, "rule", Tables, 0, 0, "", "", "what is let in and out without any driver"},
    {Filter, "driver", Tables, 0, 0, "", "", "a packet callout driver to load"},

    {Section::FilterRule, "layer", Text, 1, 32,
     "inbound-transport; inbound-mac where when needs it", R"("inbound-mac")",
     "where it stands: inbound- or outbound-, then mac, ip or transport; or datagram"},
    {Section::FilterRule, "when", Table, 0, 0, "", "", "which datagrams it means; without it all"},
    {Section::FilterRule, "action", Text, 1, 16, "must be set", R"("limit")",
     "\"permit\", \"block\" or \"limit\": what is beyond the rate is blocked"},
    {Section::FilterRule, "rate", Text, 1, 32, "must be set for limit", R"("10/s")",
     "how many on average in a second (s), minute (m) or hour (h)"},
    {Section::FilterRule, "burst", Integer, 1, 1'000'000, "the number of rate", "20",
     "how many at once"},
    {Section::FilterRule, "per", Text, 1, 16, "one rate for all", R"("mac")",
     "a rate for each sender's \"mac\", each \"relay\" (giaddr) or each \"interface\""},
    {Section::FilterRule, "weight", Integer, 0, 15, "0", "15",
     "the heavier rule is asked first; of equals, the one whose when narrows more"},

    {FilterWhen, "interface", Values, 1, 0, "any", R"("eth0")",
     "the interface it comes or goes by"},
    {FilterWhen, "remote-mac", Values, 1, 0, "any", R"("02:00:00:00:00:07")",
     "the other side's hardware address, or its first octets"},
    {FilterWhen, "local-mac", Values, 1, 0, "any", R"("ff:ff:ff:ff:ff:ff")",
     "this side's hardware address, or its first octets"},
    {FilterWhen, "ether-type", Values, 1, 0, "any", R"("0x0800")", "the EtherType behind any tag"},
    {FilterWhen, "vlan", Values, 1, 0, "any", "42", "the VLAN id; 0 is untagged"},
    {FilterWhen, "remote-address", Values, 1, 0, "any", R"("10.1.0.0/16")",
     "the other side's address: one, a range or a subnet"},
    {FilterWhen, "local-address", Values, 1, 0, "any", R"("255.255.255.255")",
     "this side's address: one, a range or a subnet"},
    {FilterWhen, "remote-port", Values, 1, 0, "any", "68", "the other side's UDP port, or a range"},
    {FilterWhen, "local-port", Values, 1, 0, "any", R"("67-68")",
     "this side's UDP port, or a range"},
    {FilterWhen, "protocol", Values, 1, 0, "any", "17", "the IP protocol"},
    {FilterWhen, "direction", Values, 1, 0, "any", R"("inbound")",
     "\"inbound\" or \"outbound\", at the layer datagram"},

    {Section::FilterDriver, "path", Text, 1, kPathBytesMax, "must be set", R"("delay.so")",
     "the driver's file; a relative path begins where the configuration is"},
    {Section::FilterDriver, "name", Text, 1, 64, "the file's name without its ending", R"("delay")",
     "its service name: in the log, and for 'hookline ioctl'"},
    {Section::FilterDriver, "required", Boolean, 0, 0, "true", "false",
     "false: the server starts without it when it does not load"},
    {Section::FilterDriver, "parameters", Table, 0, 0, "", "",
     "its Parameters key: texts and numbers by name"},

    {Section::LeaseQuery, "allow", TextList, 1, 18, "none", R"(["192.0.2.0/24", "10.77.0.2"])",
     "relays (giaddr), and peers over TCP, as addresses or networks, that are answered"},
    {Section::LeaseQuery, "listen", Values, 1, 21, "none: UDP only", R"(["10.77.0.1:67"])",
     "where bulk and active leasequery is answered over TCP: an address, a port, or both"},
};

struct Synonym {
  Section section;
  std::string_view word;
  std::string_view name;
};

// Names of our own other tables, of ISC dhcpd, Kea and dnsmasq.
constexpr Synonym kSynonyms[] = {
    {File, "subnet", "scope"},
    {Leases, "lease-time", "default-time"},
    {Leases, "default-lease-time", "default-time"},
    {Leases, "valid-lifetime", "default-time"},
    {Leases, "max-lease-time", "max-time"},
    {Leases, "min-lease-time", "min-time"},
    {Leases, "renew-timer", "renew-time"},
    {Leases, "rebind-timer", "rebind-time"},
    {Leases, "ping-check", "conflict-detection"},
    {Leases, "ping-timeout", "conflict-wait"},
    {Scope, "ping-check", "conflict-detection"},
    {Scope, "default-time", "lease-time"},
    {Scope, "default-lease-time", "lease-time"},
    {Scope, "valid-lifetime", "lease-time"},
    {Scope, "max-lease-time", "max-time"},
    {Scope, "min-lease-time", "min-time"},
    {Scope, "renew-timer", "renew-time"},
    {Scope, "rebind-timer", "rebind-time"},
    {Scope, "pool", "ranges"},
    {Scope, "pools", "ranges"},
    {Scope, "name", "id"},
    {Scope, "giaddr", "relays"},
    {Scope, "shared-network", "superscope"},
    {Scope, "host", "reservation"},
    {Boot, "filename", "file"},
    {Boot, "boot-file-name", "file"},
    {Boot, "siaddr", "next-server"},
    {Boot, "sname", "server-name"},
    {BootMatch, "arch", "architecture"},
    {Callouts, "dll-list", "dlls"},
    {Callouts, "CalloutDlls", "dlls"},
    {Callouts, "CalloutEnabled", "enabled"},
    {CalloutDll, "file", "path"},
    {Section::FilterRule, "match", "when"},
    {Section::FilterRule, "priority", "weight"},
    {FilterWhen, "mac", "remote-mac"},
    {FilterWhen, "source-mac", "remote-mac"},
    {FilterWhen, "address", "remote-address"},
    {FilterWhen, "source", "remote-address"},
    {FilterWhen, "port", "remote-port"},
    {Section::FilterDriver, "file", "path"},
    {CalloutDll, "name", "path"},
    {Reservation, "mac", "hw-address"},
    {Reservation, "hardware", "hw-address"},
    {Reservation, "ip", "address"},
    {Reservation, "ip-address", "address"},
    {Reservation, "fixed-address", "address"},
    {Reservation, "name", "hostname"},
};

}  // namespace

std::string_view find_synonym(Section section, std::string_view name) {
  for (const Synonym& synonym : kSynonyms) {
    if (synonym.section == section && synonym.word == name) return synonym.name;
  }
  return {};
}

std::span<const Key> schema() { return kKeys; }

const Key* find_key(Section section, std::string_view name) {
  for (const Key& key : kKeys) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

const Key* find_key_anywhere(std::string_view name) {
  for (const Key& key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::vector<std::string_view> key_names(Section section) {
  std::vector<std::string_view> names;
  for (const Key& key : kKeys) {
    if (key.section == section) names.push_back(key.name);
  }
  return names;
}

std::string_view section_name(Section section) {
  switch (section) {
    case File:
      return "the top of the file";
    case Server:
      return "[server]";
    case Leases:
      return "[leases]";
    case Scope:
      return "[[scope]]";
    case Boot:
      return "[scope.boot]";
    case BootMatch:
      return "[[scope.boot.match]]";
    case Reservation:
      return "[[scope.reservation]]";
    case Callouts:
      return "[callouts]";
    case CalloutDll:
      return "[[callouts.dll]]";
    case Section::CalloutRestart:
      return "[callouts.restart]";
    case Filter:
      return "[filter]";
    case Section::FilterRule:
      return "[[filter.rule]]";
    case FilterWhen:
      return "[filter.rule.when]";
    case Section::FilterDriver:
      return "[[filter.driver]]";
    case Section::LeaseQuery:
      return "[leasequery]";
  }
  return "";
}

std::string place_of(Section section) {
  if (section == File) return "at the top of the file";
  return "in " + std::string(section_name(section));
}

std::string path_of(const Key& key) {
  std::string path;
  switch (key.section) {
    case File:
      break;
    case Server:
      path = "server.";
      break;
    case Leases:
      path = "leases.";
      break;
    case Scope:
      path = "scope.";
      break;
    case Boot:
      path = "scope.boot.";
      break;
    case BootMatch:
      path = "scope.boot.match.";
      break;
    case Reservation:
      path = "scope.reservation.";
      break;
    case Callouts:
      path = "callouts.";
      break;
    case CalloutDll:
      path = "callouts.dll.";
      break;
    case Section::CalloutRestart:
      path = "callouts.restart.";
      break;
    case Filter:
      path = "filter.";
      break;
    case Section::FilterRule:
      path = "filter.rule.";
      break;
    case FilterWhen:
      path = "filter.rule.when.";
      break;
    case Section::FilterDriver:
      path = "filter.driver.";
      break;
    case Section::LeaseQuery:
      path = "leasequery.";
      break;
  }
  return path += key.name;
}

std::string_view type_name(Type type) {
  switch (type) {
    case Boolean:
      return "true or false";
    case Integer:
      return "an integer";
    case Text:
      return "a text";
    case TextList:
      return "a list of texts";
    case Duration:
    case FineDuration:
      return "a duration";
    case Type::LeasePoint:
      return "a duration or a share of the lease";
    case Address:
      return "an IPv4 address";
    case AddressList:
      return "a list of IPv4 addresses";
    case Subnet:
      return "a subnet";
    case RangeList:
      return "a list of address ranges";
    case HexOrText:
      return "a text or \"hex:…\"";
    case Hex:
      return "octets in hex";
    case Architectures:
      return "architectures by name or number";
    case Files:
      return "a table of names and files";
    case Values:
      return "a text or a number, or a list of them";
    case Table:
      return "a table";
    case Tables:
      return "tables";
    case Options:
      return "a table of options";
  }
  return "";
}

}  // namespace hookline::config
