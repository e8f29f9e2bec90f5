# Joins the rows of tools/bench: who, threads, row, median, unit, least, most; "2n": two threads beside a busy process. Prints the table
# and writes JSON, bars and a page. Variables: json, svg, page (files to write), work (limits.tsv), old (JSON of an earlier run, or
# nothing), cpu, date, threads, backend (for people), absent (what was not found, in words).
function is_rate(unit) { return unit ~ /\/s$/ }
function times(unit, a, b) { return is_rate(unit) ? a / b : b / a } # how many times as good a is as b
function median(who, count, row,    n, i, j, x, list) {
    n = seen[who, count, row]
    for (i = 1; i <= n; i++) {
        x = value[who, count, row, i]
        for (j = i; j > 1 && list[j - 1] > x; j--) list[j] = list[j - 1]
        list[j] = x
    }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
function escape(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); return text }
function quote(text) { gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); return "\"" text "\"" }
function figure(x) { return x == "" ? "" : sprintf("%.4g", x) }
function hundredth(x) { return x == "" ? "" : sprintf("%.2f", x) }
function percent(x) { return x == "" ? "" : sprintf("%.0f%%", 100 * x) }
# The row under which a peer has the same work: captured or not, it does it eagerly.
function same_work(who, row,    bare) {
    if ((who, row) in best) return row
    bare = row
    if (!sub(/^captured\//, "", bare)) return ""
    if ((who, bare) in best) return bare
    return (who, "chain/" bare) in best ? "chain/" bare : ""
}
# The same for what limits it.
function limit_of(row,    bare) {
    bare = row
    if (!(bare in limited)) sub(/^captured\//, "", bare)
    if (!(bare in limited)) bare = "chain/" bare
    return bare in limited ? bare : ""
}
function bars(    i, width, y, text) {
    text = sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", 40 + 18 * nbars)
    text = text sprintf("<text x=\"10\" y=\"18\">times as good as the best peer (line: equal), %s, %s</text>\n", escape(cpu), date)
    for (i = 1; i <= nbars; i++) {
        width = 60 * log(1 + bar[i]) / log(2)
        width = width > 440 ? 440 : width
        y = 24 + 18 * i
        text = text sprintf("<text x=\"200\" y=\"%d\" text-anchor=\"end\">%s</text>", y, escape(label[i]))
        text = text sprintf("<rect x=\"210\" y=\"%d\" width=\"%.0f\" height=\"12\" fill=\"%s\"/>", y - 10, width, bar[i] >= 1 ? "#2a7" : "#c63")
        text = text sprintf("<text x=\"%.0f\" y=\"%d\">%.2f</text>\n", 216 + width, y, bar[i])
    }
    return text sprintf("<line x1=\"270\" x2=\"270\" y1=\"26\" y2=\"%d\" stroke=\"#444\"/>\n</svg>\n", 34 + 18 * nbars)
}
function field(name, x) { return x == "" ? "" : sprintf(", \"%s\": %s", name, x) }
function cell(x) { return "<td>" escape(x) "</td>" }
BEGIN {
    while (old != "" && (getline line < old) > 0)
        if (match(line, /"row": "[^"]*"/)) {
            name = substr(line, RSTART + 8, RLENGTH - 9)
            if (match(line, /"cresset": [0-9.e+-]+/)) before[name] = substr(line, RSTART + 11, RLENGTH - 11) + 0
        }
    while (work != "" && (getline line < work) > 0)
        if (line !~ /^#/ && split(line, part, "\t") == 3) {
            limited[part[1]] = part[2]
            amount[part[1]] = part[3] + 0
        }
}
$1 == "limit" { limit[substr($3, 7), $2] = $4; limit_unit[substr($3, 7)] = $5; if (!(substr($3, 7) in known)) { known[substr($3, 7)]; limits[++nlimits] = substr($3, 7) } next }
$3 !~ /^epoch/ && NF >= 5 {
    if (!($3 in unit)) order[++rows] = $3
    unit[$3] = $5
    value[$1, $2, $3, ++seen[$1, $2, $3]] = $4
    if (!($1 in is_known)) { is_known[$1]; if ($1 != "cresset") peers[++npeers] = $1 }
    if (!($2 in is_count)) { is_count[$2]; if ($2 !~ /n$/) counts[++ncounts] = $2 }
}
END {
    most = counts[ncounts]
    peers[0] = "cresset"
    for (p = 0; p <= npeers; p++)
        for (i = 1; i <= rows; i++)
            for (k = 1; k <= ncounts; k++) {
                who = peers[p]; r = order[i]; n = counts[k]
                if (!((who, n, r) in seen)) continue
                m[who, n, r] = median(who, n, r)
                if (!((who, r) in best) || times(unit[r], m[who, n, r], best[who, r]) > 1) { best[who, r] = m[who, n, r]; at[who, r] = n }
            }
    header = sprintf("%-30s %10s %10s %5s %-9s %10s %10s  %-11s %6s %8s", "row", "1 thread", most != 1 ? most " threads" : "", most != 1 ? most ":1" : "", "peer", "1 thread", most != 1 ? most " threads" : "", "unit", "ratio", "of limit")
    print header (neighbours() ? "  busy" : "") (old != "" ? "  since" : "")
    printf "{\"date\": %s, \"cpu\": %s, \"threads\": %d, \"backend\": %s, \"absent\": %s, \"limits\": {", quote(date), quote(cpu), threads, quote(backend), quote(absent) > json
    for (i = 1; i <= nlimits; i++)
        for (k = 1; k <= ncounts; k++)
            if ((limits[i], counts[k]) in limit) printf "%s\"%s/%s\": %s", (first++ ? ", " : ""), limits[i], counts[k], limit[limits[i], counts[k]] > json
    printf "}, \"rows\": [" > json
    for (i = 1; i <= rows; i++) one_row(order[i], i)
    printf "\n]}\n" > json
    svg_text = bars()
    printf "%s", svg_text > svg
    write_page()
    if (npeers == 0) print "\nNo peer was timed: " absent
    if (slow_threads != "") print "\nMore threads are slower than one (under 0.95):" slow_threads
    if (slow_busy != "") print "\nBeside a busy process all threads are slower than one alone (under 0.9):" slow_busy
    if (old != "") print "\n" (regressions == "" ? "Nothing is more than 5% slower than in " old "." : "Slower than in " old " by more than 5%:" regressions)
}
function neighbours(    c) { for (c in is_count) if (c ~ /n$/) return 1; return 0 }
function one_row(r, i,    p, work_row, ours, peer, peer_row, ratio, of, since, gain, busy, kind, k, u, n, one, all, line) {
    u = unit[r]
    ours = ("cresset", r) in best ? best["cresset", r] : ""
    for (p = 1; p <= npeers; p++) { # the best of the peers
        work_row = same_work(peers[p], r)
        if (work_row != "" && (peer == "" || times(u, best[peers[p], work_row], best[peer, peer_row]) > 1)) { peer = peers[p]; peer_row = work_row }
    }
    ratio = ours == "" || peer == "" ? "" : times(u, ours, best[peer, peer_row])
    since = ours == "" || !(r in before) ? "" : times(u, ours, before[r])
    if (since != "" && since < 0.95) regressions = regressions sprintf(" %s (%.2f)", r, since)
    work_row = limit_of(r)
    kind = work_row == "" ? "" : limited[work_row]
    if (ours != "" && kind != "" && (kind, at["cresset", r]) in limit) {
        of = amount[work_row] / limit[kind, at["cresset", r]]
        of = is_rate(u) ? ours * of : of / (ours * 1e-6)
    }
    one = ("cresset", 1, r) in seen ? m["cresset", 1, r] : ""
    all = most != 1 && ("cresset", most, r) in seen ? m["cresset", most, r] : ""
    gain = one != "" && all != "" && u != "MiB" ? times(u, all, one) : ""
    if (gain != "" && gain < 0.95) slow_threads = slow_threads sprintf(" %s (%.2f)", r, gain)
    n = most "n"
    busy = one != "" && ("cresset", n, r) in seen ? times(u, median("cresset", n, r), one) : ""
    if (busy != "" && busy < 0.9) slow_busy = slow_busy sprintf(" %s (%.2f)", r, busy)
    line = sprintf("%-30s %10s %10s %5s %-9s %10s %10s  %-11s %6s %8s", r, figure(one), figure(all), hundredth(gain), peer, theirs(peer, peer_row, 1), most != 1 ? theirs(peer, peer_row, most) : "", u, hundredth(ratio), percent(of))
    print line (neighbours() ? sprintf(" %5s", hundredth(busy)) : "") (old != "" ? sprintf(" %6s", hundredth(since)) : "")
    printf "%s\n  {\"row\": %s, \"unit\": %s", (i > 1 ? "," : ""), quote(r), quote(u) > json
    printf "%s%s", field("cresset", ours), ours == "" ? "" : field("cresset_threads", at["cresset", r]) > json
    for (p = 1; p <= npeers; p++) {
        work_row = same_work(peers[p], r)
        if (work_row != "") printf "%s%s", field(peers[p], best[peers[p], work_row]), field(peers[p] "_threads", at[peers[p], work_row]) > json
    }
    printf "%s%s%s%s%s}", peer == "" ? "" : ", \"peer\": " quote(peer), field("ratio", figure(ratio)), field("of_limit", figure(of)), field("threads_gain", figure(gain)), field("busy_gain", figure(busy)) > json
    table = table "<tr><td>" escape(r) "</td>" cell(figure(one)) cell(figure(all)) cell(hundredth(gain)) cell(peer) cell(theirs(peer, peer_row, 1)) cell(most != 1 ? theirs(peer, peer_row, most) : "") cell(u) \
        "<td" (ratio != "" && ratio < 1 ? " class=\"slow\"" : "") ">" hundredth(ratio) "</td>" cell(of == "" ? "" : percent(of) " of " kind) cell(hundredth(busy)) cell(hundredth(since)) "</tr>\n"
    if (ratio != "") { label[++nbars] = r; bar[nbars] = ratio }
}
function theirs(peer, row, count) { return (peer, count, row) in seen ? figure(m[peer, count, row]) : "" }
function write_page(    i, k) {
    printf "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Cresset: benchmarks of %s</title>\n", date > page
    printf "<style>body{font:14px sans-serif;margin:2em;max-width:70em}td,th{padding:1px 8px;text-align:right}td:first-child,th:first-child{text-align:left}tr:nth-child(even){background:#f4f4f4}.slow{color:#c00}</style>\n" > page
    printf "<h1>Cresset beside its peers</h1>\n<p>%s, %s threads, %s; backend %s. Medians; a row's ratio is between the better thread counts, above 1 Cresset is ahead. %s</p>\n", escape(cpu), threads, date, escape(backend), escape(absent) > page
    printf "<h2>Ratios</h2>\n%s<h2>Rows</h2>\n<table>\n<tr><th>row<th>1 thread<th>%s threads<th>%s:1<th>peer<th>1 thread<th>%s threads<th>unit<th>ratio<th>of the limit<th>beside a busy process, to 1 thread<th>since</tr>\n%s</table>\n", svg_text, most, most, most, table > page
    if (nlimits) printf "<h2>Limits of the processor, measured in the same run</h2>\n<table>\n<tr><th>limit" > page
    for (k = 1; k <= ncounts && nlimits; k++) printf "<th>%s thread%s", counts[k], counts[k] == 1 ? "" : "s" > page
    if (nlimits) printf "<th>unit</tr>\n" > page
    for (i = 1; i <= nlimits; i++) {
        printf "<tr><td>%s</td>", limits[i] > page
        for (k = 1; k <= ncounts; k++) printf "%s", cell(limit[limits[i], counts[k]]) > page
        printf "%s</tr>\n", cell(limit_unit[limits[i]]) > page
    }
    if (nlimits) printf "</table>\n" > page
    printf "</html>\n" > page
}
