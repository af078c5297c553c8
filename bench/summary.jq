# Lines of JSON (see measure in lib_servers.sh) to a table: medians, spread of the rate, and Hookline
# over the other. Lost: exchanges that got no answer after all tries.

def median: sort | if length % 2 == 1 then .[length / 2 | floor]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def fixed: (. * 100 | round) / 100 | tostring;
def pad($n): . + (" " * ([$n - length, 0] | max));
def cells($widths): [., $widths] | transpose | map(. as [$text, $width] | ($text // "") | pad($width)) | join("  ");

def figures: {
  rate: (map(.rate) | median),
  low: (map(.rate) | min),
  high: (map(.rate) | max),
  p50: (map(.exchange_us.p50) | median),
  p99: (map(.exchange_us.p99) | median),
  cpu: (map(.server_cpu_us_per_exchange) | median),
  lost: (map(.failed) | add),
  clean: all(.clean or (.naks + .duplicate_addresses + .malformed + .unexpected + .send_errors
                        + .warm_failed == 0 and .completed > 0))
};

[9, 8, 7, 6, 9, 15, 9, 9, 9, 6, 6] as $widths
| (["server", "exchange", "path", "W", "rate/s", "spread", "p50 us", "p99 us", "CPU us", "lost", "clean"]
   | cells($widths)),
  (group_by([.exchange, .path, .window])[]
   | . as $case
   | (group_by(.server) | map({key: .[0].server, value: figures}) | from_entries) as $by
   | ($by | to_entries[]
      | [.key, $case[0].exchange, $case[0].path, ($case[0].window | tostring),
         (.value.rate | round | tostring),
         "\(.value.low | round)-\(.value.high | round)",
         (.value.p50 | round | tostring), (.value.p99 | round | tostring), (.value.cpu | fixed),
         (.value.lost | tostring), (if .value.clean then "yes" else "NO" end)]
      | cells($widths)),
     (if $by.responder and $by.hookline then
        "  Hookline is at \($by.hookline.rate / $by.responder.rate * 100 | fixed) % of the responder"
      else empty end),
     (if $by.kea and $by.hookline then
        "  ratio Hookline/Kea: rate \($by.hookline.rate / $by.kea.rate | fixed), "
        + "p99 \($by.hookline.p99 / $by.kea.p99 | fixed), "
        + "CPU per exchange 1/\($by.kea.cpu / $by.hookline.cpu | fixed)"
      else empty end))
