# Makes docs/costs.md and its curves from the rows of cresset bench --only costs/: costs/CURVE/N, median, unit, least, most.
# Time is the least of the repeats: a busy machine adds to it, never takes.
function order(curve,    i, n, sx, sy, sxx, sxy, x, y) { # the slope of the upper half, by least squares of logarithms
    for (i = int(count[curve] / 2) + (count[curve] > 3); i <= count[curve]; i++) {
        if (i < 1) continue
        x = log(at[curve, i]); y = log(value[curve, i])
        n++; sx += x; sy += y; sxx += x * x; sxy += x * y
    }
    return n > 1 && n * sxx != sx * sx ? (n * sxy - sx * sy) / (n * sxx - sx * sx) : 0
}
function name(curve) { sub(/_memory$/, "", curve); return curve }
function plot(curve, file,    i, x, y, low, high, span, points, steep) {
    low = value[curve, 1]; high = low
    for (i = 1; i <= count[curve]; i++) { if (value[curve, i] < low) low = value[curve, i]; if (value[curve, i] > high) high = value[curve, i] }
    span = log(at[curve, count[curve]] / at[curve, 1]); steep = log(high / low) + 1e-9
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"420\" height=\"260\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"420\" height=\"260\" fill=\"#fff\"/>\n" > file
    printf "<text x=\"60\" y=\"16\">%s, both axes logarithmic</text>\n<path d=\"M60 24V220H400\" fill=\"none\" stroke=\"#888\"/>\n", title[name(curve)] (curve ~ /_memory$/ ? ": memory" : ": time") > file
    for (i = 1; i <= count[curve]; i++) {
        x = 60 + (span ? 330 * log(at[curve, i] / at[curve, 1]) / span : 0)
        y = 215 - 180 * log(value[curve, i] / low) / steep
        points = points sprintf("%.1f,%.1f ", x, y)
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#27a\"/><text x=\"%.1f\" y=\"236\" text-anchor=\"middle\">%s</text>\n", x, y, x, at[curve, i] > file
    }
    printf "<polyline points=\"%s\" fill=\"none\" stroke=\"#27a\"/>\n", points > file
    printf "<text x=\"56\" y=\"40\" text-anchor=\"end\">%.3g</text><text x=\"56\" y=\"218\" text-anchor=\"end\">%.3g</text><text x=\"56\" y=\"56\" text-anchor=\"end\">%s</text>\n</svg>\n", high, low, (curve ~ /_memory$/ ? "bytes" : "µs") > file
    close(file)
}
BEGIN {
    split("batch width depth parameters threads ops_eager ops_backward ops_record ops_captured", curves, " ")
    title["batch"] = "batch"; what["batch"] = "a training step of a perceptron, three layers of 128, by batch"; want["batch"] = 1
    title["width"] = "width"; what["width"] = "a training step of two layers, batch 256, by width"; want["width"] = 2
    title["depth"] = "depth"; what["depth"] = "a training step of layers of 64, batch 64, by their number"; want["depth"] = 1
    title["parameters"] = "parameters"; what["parameters"] = "a step of Adam over tensors of 1,024 elements, by their number"; want["parameters"] = 1
    title["threads"] = "threads"; what["threads"] = "a product of 768 x 768 matrices, by threads"; want["threads"] = -1
    title["ops_eager"] = "operations, eager"; what["ops_eager"] = "a chain of operations on 16 elements, eager, by its length"; want["ops_eager"] = 1
    title["ops_backward"] = "operations, forward and backward"; what["ops_backward"] = "additions with grad and their backward, by their number"; want["ops_backward"] = 1
    title["ops_record"] = "operations, recorded and built"; what["ops_record"] = "the chain recorded twice and built into a graph"; want["ops_record"] = 1
    title["ops_captured"] = "operations, captured"; what["ops_captured"] = "the chain run as a captured graph"; want["ops_captured"] = 1
    memory["batch"] = 1; memory["width"] = 2; memory["depth"] = 1; memory["parameters"] = 1; memory["threads"] = 0
    memory["ops_eager"] = 1; memory["ops_backward"] = 1; memory["ops_record"] = 1; memory["ops_captured"] = 0
}
{
    split($1, part, "/")
    c = part[2]
    i = ++count[c]
    at[c, i] = part[3] + 0
    value[c, i] = ($3 == "bytes" ? $2 : $4) + 0
}
END {
    printf "# How costs grow\n\nMeasured by `tools/costs`, which anybody can repeat: it builds, runs `cresset bench --only costs/` (on one thread, but for the row\nof threads) and writes this page. %s, %s. Time is the least of seven repeats, memory the most that tensors took at once. The exponent is\nfitted to the upper half of each curve: 1 is in proportion, 2 the square. What is a tenth or two above may be a step at\nwhich the work outgrows a cache, or other work on the machine; a curve that is steeper than that is a bug, open until it is explained (in profiles.md).\n\n", date, cpu > page
    printf "| work | time: should be | is | memory: should be | is |\n|---|---|---|---|---|\n" > page
    for (k = 1; k in curves; k++) {
        c = curves[k]
        is = (count[c] > 1) ? sprintf("%.2f", order(c)) : "one thread only"
        should = (want[c] < 0) ? "-1 at best" : "at most " want[c]
        printf "| %s | %s | %s | at most %s | %.2f |\n", what[c], should, is, memory[c], order(c "_memory") > page
    }
    for (k = 1; k in curves; k++) {
        c = curves[k]
        printf "\n## %s\n\n%s.\n\n| | ", title[c], what[c] > page
        for (i = 1; i <= count[c]; i++) printf "%s | ", at[c, i] > page
        printf "\n|---|" > page
        for (i = 1; i <= count[c]; i++) printf "---|" > page
        printf "\n| µs | " > page
        for (i = 1; i <= count[c]; i++) printf "%.4g | ", value[c, i] > page
        printf "\n| KiB | " > page
        for (i = 1; i <= count[c]; i++) printf "%.4g | ", value[c "_memory", i] / 1024 > page
        printf "\n\n![time](figures/costs_%s.svg) ![memory](figures/costs_%s_memory.svg)\n", c, c > page
        plot(c, figures "/costs_" c ".svg")
        plot(c "_memory", figures "/costs_" c "_memory.svg")
    }
}
