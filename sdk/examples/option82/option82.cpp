// option82: what the relay says about the client's port decides on the reply.
//
// NewPkt remembers circuit id and remote id of option 82 in the packet context; PktSend looks the
// circuit up in the rules and sets the boot file and one more option; PktDrop frees the context.

#include <windows.h>
#include <dhcpssdk.h>

#include <hookline/packet.h>

#include <new>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <vector>

namespace {

// What is remembered from the request until the reply.
struct Relay {
    std::string circuit;
    std::string remote;
};

// "circuit=boot file" or "circuit=boot file,code,text", one string of Option82Rules.
struct Rule {
    std::string circuit;
    std::string boot_file;
    BYTE code;    // 0: no further option
    std::string text;
};

std::vector<Rule> rules;

std::string text_of(const hookline_option& option)
{
    return std::string(reinterpret_cast<const char*>(option.value), option.length);
}

DWORD CALLBACK OnNewPkt(LPBYTE* Packet, DWORD* PacketSize, DWORD, LPVOID, LPVOID* PktContext, LPBOOL)
{
    BYTE value[HOOKLINE_PACKET_CAPACITY];
    uint32_t length = sizeof(value);
    hookline_option circuit, remote;
    if (!hookline_option_read(*Packet, *PacketSize, 82, value, &length) ||
        !hookline_suboption_find(value, length, 1, &circuit))
        return ERROR_SUCCESS;
    Relay* relay = new (std::nothrow) Relay;
    if (relay == nullptr)
        return ERROR_NOT_ENOUGH_MEMORY;
    relay->circuit = text_of(circuit);
    if (hookline_suboption_find(value, length, 2, &remote))
        relay->remote = text_of(remote);
    *PktContext = relay;
    return ERROR_SUCCESS;
}

void apply(const Rule& rule, LPBYTE packet, DWORD* size)
{
    if (*size >= HOOKLINE_OPTIONS && rule.boot_file.size() < 128) {
        ZeroMemory(packet + HOOKLINE_FILE, 128);
        CopyMemory(packet + HOOKLINE_FILE, rule.boot_file.data(), rule.boot_file.size());
    }
    if (rule.code != 0)
        hookline_option_set(packet, size, rule.code, rule.text.data(), (uint32_t)rule.text.size());
}

DWORD CALLBACK OnPktSend(LPBYTE* Packet, DWORD* PacketSize, DWORD, DWORD, LPVOID, LPVOID PktContext)
{
    const Relay* relay = static_cast<const Relay*>(PktContext);
    if (relay == nullptr)
        return ERROR_SUCCESS;
    for (const Rule& rule : rules) {
        if (rule.circuit == relay->circuit || rule.circuit == relay->remote) {
            apply(rule, *Packet, PacketSize);
            break;
        }
    }
    return ERROR_SUCCESS;
}

// PROCESSED comes once for every packet, whatever became of it: the one place to free.
DWORD CALLBACK OnPktDrop(LPBYTE*, DWORD*, DWORD ControlCode, DWORD, LPVOID, LPVOID PktContext)
{
    if (ControlCode == DHCP_DROP_PROCESSED)
        delete static_cast<Relay*>(PktContext);
    return ERROR_SUCCESS;
}

bool parse(const std::string& line, Rule* rule)
{
    const size_t equals = line.find('=');
    if (equals == std::string::npos)
        return false;
    const size_t first = line.find(',', equals);
    const size_t second = first == std::string::npos ? first : line.find(',', first + 1);
    rule->circuit = line.substr(0, equals);
    rule->boot_file = line.substr(equals + 1, first == std::string::npos ? first : first - equals - 1);
    rule->code = 0;
    if (second != std::string::npos) {
        rule->code = static_cast<BYTE>(atoi(line.substr(first + 1, second - first - 1).c_str()));
        rule->text = line.substr(second + 1);
    }
    return true;
}

void read_rules()
{
    HKEY key;
    DWORD size = 0;
    rules.clear();
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, DHCP_CALLOUT_LIST_KEY, 0, KEY_READ, &key) != ERROR_SUCCESS)
        return;
    if (RegQueryValueExA(key, "Option82Rules", NULL, NULL, NULL, &size) == ERROR_SUCCESS) {
        std::vector<char> text(size + 2);
        if (RegQueryValueExA(key, "Option82Rules", NULL, NULL, (LPBYTE)text.data(), &size) ==
            ERROR_SUCCESS) {
            for (const char* at = text.data(); *at != '\0'; at += strlen(at) + 1) {
                Rule rule;
                if (parse(at, &rule))
                    rules.push_back(rule);
                else
                    OutputDebugStringA(("no rule: " + std::string(at)).c_str());
            }
        }
    }
    RegCloseKey(key);
}

}  // namespace

extern "C" __declspec(dllexport) DWORD CALLBACK DhcpServerCalloutEntry(
    LPWSTR ChainDlls, DWORD CalloutVersion, LPDHCP_CALLOUT_TABLE CalloutTbl)
{
    UNREFERENCED_PARAMETER(ChainDlls);
    if (CalloutVersion != 0)
        return ERROR_NOT_SUPPORTED;
    read_rules();
    CalloutTbl->DhcpNewPktHook = OnNewPkt;
    CalloutTbl->DhcpPktSendHook = OnPktSend;
    CalloutTbl->DhcpPktDropHook = OnPktDrop;
    return ERROR_SUCCESS;
}
