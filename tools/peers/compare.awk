# Joins the rows of tools/bench: who, threads, row, median, unit, least, most. Prints the table and writes JSON and bars.
function better(unit, a, b) { return unit ~ /\/s$/ ? a > b : a < b }
BEGIN {
    while (old != "" && (getline line < old) > 0)
        if (match(line, /"row": "[^"]*"/)) {
            name = substr(line, RSTART + 8, RLENGTH - 9)
            match(line, /"cresset": [0-9.e+-]+/)
            before[name] = substr(line, RSTART + 11, RLENGTH - 11) + 0
        }
}
$3 !~ /^epoch/ {
    if (!($3 in unit)) order[++rows] = $3
    unit[$3] = $5
    key = $1 SUBSEP $3
    if (!(key in best) || better($5, $4, best[key])) { best[key] = $4; at[key] = $2 }
}
END {
    printf "%-28s %12s %4s %12s %4s  %-9s %7s%s\n", "row", "cresset", "thr", "pytorch", "thr", "unit", "ratio", old != "" ? "  since" : ""
    printf "{\"date\": \"%s\", \"cpu\": \"%s\", \"threads\": %d, \"rows\": [", date, cpu, threads > json
    for (i = 1; i <= rows; i++) {
        r = order[i]
        rate = unit[r] ~ /\/s$/
        peer = r # captured or not, the peer does the same work
        if (!(("pytorch" SUBSEP peer) in best)) sub(/^captured\//, "", peer)
        if (!(("pytorch" SUBSEP peer) in best)) peer = "chain/" peer
        ours = ("cresset" SUBSEP r) in best ? best["cresset" SUBSEP r] : ""
        theirs = ("pytorch" SUBSEP peer) in best ? best["pytorch" SUBSEP peer] : ""
        ratio = ours == "" || theirs == "" ? "" : sprintf("%.2f", rate ? ours / theirs : theirs / ours)
        since = ours == "" || !(r in before) ? "" : sprintf("%7.2f", rate ? ours / before[r] : before[r] / ours)
        threads_ours = at["cresset" SUBSEP r]
        threads_theirs = at["pytorch" SUBSEP peer]
        printf "%-28s %12s %4s %12s %4s  %-9s %7s%s\n", r, ours, threads_ours, theirs, threads_theirs, unit[r], ratio, since
        printf "%s\n  {\"row\": \"%s\", \"unit\": \"%s\"", (i > 1 ? "," : ""), r, unit[r] > json
        if (ours != "") printf ", \"cresset\": %s, \"cresset_threads\": %d", ours, threads_ours > json
        if (theirs != "") printf ", \"pytorch\": %s, \"pytorch_threads\": %d", theirs, threads_theirs > json
        if (ratio != "") {
            printf ", \"ratio\": %s", ratio > json
            label[++bars] = r
            times[bars] = ratio + 0
        }
        printf "}" > json
    }
    printf "\n]}\n" > json
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", 40 + 18 * bars > svg
    printf "<text x=\"10\" y=\"18\">times as fast as PyTorch (line: equal), %s, %s</text>\n", cpu, date > svg
    for (i = 1; i <= bars; i++) {
        width = 60 * log(1 + times[i]) / log(2)
        width = width > 440 ? 440 : width
        fill = times[i] >= 1 ? "#2a7" : "#c63"
        y = 24 + 18 * i
        printf "<text x=\"200\" y=\"%d\" text-anchor=\"end\">%s</text>", y, label[i] > svg
        printf "<rect x=\"210\" y=\"%d\" width=\"%.0f\" height=\"12\" fill=\"%s\"/>", y - 10, width, fill > svg
        printf "<text x=\"%.0f\" y=\"%d\">%.2f</text>\n", 216 + width, y, times[i] > svg
    }
    printf "<line x1=\"270\" x2=\"270\" y1=\"26\" y2=\"%d\" stroke=\"#444\"/>\n</svg>\n", 34 + 18 * bars > svg
}
