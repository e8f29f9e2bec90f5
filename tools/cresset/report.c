/* report.html: one file that needs nothing else. Curves as SVG, the confusion matrix as a table, images as PNG in place. */
#include "report_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- curves ---- */

typedef double (*getter)(const epoch_metrics *m);
static double train_loss(const epoch_metrics *m)
{
    return m->train_loss;
}
static double test_loss(const epoch_metrics *m)
{
    return m->test_loss;
}
static double train_accuracy(const epoch_metrics *m)
{
    return m->train_accuracy;
}
static double test_accuracy(const epoch_metrics *m)
{
    return m->test_accuracy;
}

enum { CHART_W = 460, CHART_H = 240, LEFT = 52, RIGHT = 14, TOP = 14, BOTTOM = 34 };

static void put_chart(page *p, const run_record *run, const char *title, getter train, getter test)
{
    double low = 1e300, high = -1e300;
    int n = run->nepochs;
    for (int e = 0; e < n; e++)
        for (int k = 0; k < 2; k++) {
            double v = (k ? test : train)(&run->epochs[e]);
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
    double margin = (high - low) * 0.08 + 1e-4;
    low -= margin;
    high += margin;
#define X(e)                                                         \
    (n > 1 ? LEFT + (double)(e) * (CHART_W - LEFT - RIGHT) / (n - 1) \
           : (LEFT + CHART_W - RIGHT) / 2.0)
#define Y(v) (TOP + (high - (v)) / (high - low) * (CHART_H - TOP - BOTTOM))
    put(p,
        "<figure><figcaption>%s</figcaption><svg viewBox='0 0 %d %d' role='img' aria-label='%s by "
        "epoch'>",
        title, CHART_W, CHART_H, title);
    for (int i = 0; i <= 4; i++) {
        double v = low + (high - low) * i / 4;
        put(p,
            "<line class='grid' x1='%d' x2='%d' y1='%.1f' y2='%.1f'/><text x='%d' y='%.1f' "
            "text-anchor='end'>%.3f</text>",
            LEFT, CHART_W - RIGHT, Y(v), Y(v), LEFT - 6, Y(v) + 4, v);
    }
    int step = n > 12 ? (n + 11) / 12 : 1;
    for (int e = 0; e < n; e += step)
        put(p, "<text x='%.1f' y='%d' text-anchor='middle'>%d</text>", X(e), CHART_H - 14, e + 1);
    for (int k = 0; k < 2; k++) {
        put(p, "<polyline class='%s' points='", k ? "test" : "train");
        for (int e = 0; e < n; e++)
            put(p, "%.1f,%.1f ", X(e), Y((k ? test : train)(&run->epochs[e])));
        put(p, "'/>");
        for (int e = 0; e < n; e++)
            put(p,
                "<circle class='%s' r='3' cx='%.1f' cy='%.1f'><title>epoch %d: "
                "%.4f</title></circle>",
                k ? "test" : "train", X(e), Y((k ? test : train)(&run->epochs[e])), e + 1,
                (k ? test : train)(&run->epochs[e]));
    }
    put(p, "</svg><p class='key'><span class='train'>training</span> <span "
           "class='test'>test</span></p></figure>\n");
#undef X
#undef Y
}

/* ---- the parts ---- */

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1d2433;--soft:#5b6577;--line:#d9dee7;--paper:#fff;--card:#f6f8fb;--a:#2563eb;--b:#"
    "d9480f}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf2;--soft:#9aa5b8;--line:#2c3444;--paper:#"
    "12161e;--card:#1a202b;--a:#6ea8fe;"
    "--b:#ff9e64}}*{box-sizing:border-box}body{margin:0 auto;max-width:1040px;padding:28px "
    "20px;background:var(--paper);color:var(--ink);"
    "font:15px/1.5 system-ui,sans-serif}h1{font-size:26px;margin:0 0 "
    "2px}h2{font-size:18px;margin:34px 0 10px}"
    ".sub{color:var(--soft);margin:0 0 "
    "18px}.cards{display:flex;flex-wrap:wrap;gap:10px}.card{background:var(--card);border:1px "
    "solid "
    "var(--line);border-radius:10px;padding:10px 16px;min-width:120px}.card "
    "b{display:block;font-size:20px}.card span{color:var(--soft);"
    "font-size:13px}.row{display:flex;flex-wrap:wrap;gap:18px}figure{margin:0;flex:1 1 "
    "420px;background:var(--card);border:1px solid "
    "var(--line);border-radius:10px;padding:12px}figcaption{font-weight:600}svg{width:100%;height:"
    "auto}svg text{fill:var(--soft);"
    "font-size:11px}.grid{stroke:var(--line)}polyline{fill:none;stroke-width:2}polyline.train{"
    "stroke:var(--a)}polyline.test{stroke:"
    "var(--b)}circle.train{fill:var(--a)}circle.test{fill:var(--b)}.key{margin:0;font-size:13px}."
    "key .train{color:var(--a)}.key .test{"
    "color:var(--b)}.key span::before{content:'● "
    "'}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}td,th{padding:"
    "4px 8px;text-align:right;border:1px solid "
    "var(--line)}th{font-weight:600;color:var(--soft)}th:first-child{text-align:left}.wrong{"
    "display:"
    "grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:10px}.wrong "
    "div{background:var(--card);border:1px solid var(--line);"
    "border-radius:8px;padding:8px;font-size:12px;text-align:center}.wrong "
    "img{width:84px;height:84px;image-rendering:pixelated}.wrong i{"
    "color:var(--b);font-style:normal}.small{display:grid;grid-template-columns:repeat(auto-fill,"
    "minmax(200px,1fr));gap:12px}.small figure{flex:none;padding:8px}.small "
    "figcaption{font-size:12px}"
    "rect.bar{fill:var(--a)}rect.box{fill:var(--paper);stroke:var(--a)}svg "
    "text.name{fill:var(--ink);"
    "font-weight:600}.arrow{stroke:var(--soft)}.three figure{flex:1 1 "
    "280px}polyline.arrow{stroke-width:1}pre{background:var(--card);border:1px solid "
    "var(--line);border-radius:10px;padding:14px;overflow-x:"
    "auto;font-size:12.5px;line-height:1.4}";

static void put_card(page *p, const char *label, const char *format, ...)
{
    char value[128];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    put(p, "<div class='card'><b>");
    put_escaped(p, value);
    put(p, "</b><span>%s</span></div>", label);
}

static void put_confusion(page *p, const run_record *run)
{
    put(p, "<h2>Confusion matrix</h2><p class='sub'>Test images of each class (rows) by what was "
           "predicted (columns), at the best "
           "epoch.</p><div class='scroll'><table><tr><th></th>");
    for (int j = 0; j < RUN_CLASSES; j++)
        put(p, "<th>%s</th>", cr_fashion_mnist_class(j));
    put(p, "</tr>");
    for (int i = 0; i < RUN_CLASSES; i++) {
        int64_t total = 0;
        for (int j = 0; j < RUN_CLASSES; j++)
            total += run->confusion[i][j];
        put(p, "<tr><th>%s</th>", cr_fashion_mnist_class(i));
        for (int j = 0; j < RUN_CLASSES; j++) {
            double part = total ? (double)run->confusion[i][j] / (double)total : 0;
            put(p,
                "<td style='background:color-mix(in srgb,var(--%s) %.0f%%,transparent)'>%lld</td>",
                i == j ? "a" : "b", (i == j ? 55 : 130) * part, (long long)run->confusion[i][j]);
        }
        put(p, "</tr>");
    }
    put(p, "</table></div>\n");
}

static void put_wrong(page *p, const run_record *run)
{
    put(p, "<h2>Misclassified</h2><p class='sub'>The first of the test set at the best "
           "epoch.</p><div class='wrong'>");
    for (int i = 0; i < run->nwrong; i++) {
        const char *label = cr_fashion_mnist_class(run->wrong[i].label);
        put(p, "<div><img alt='%s' src='", label);
        put_pixels(p, run->wrong[i].pixels);
        put(p, "'><br>%s<br><i>%s</i></div>", label,
            cr_fashion_mnist_class(run->wrong[i].predicted));
    }
    put(p, "</div>\n");
}

static void put_epochs(page *p, const run_record *run)
{
    put(p, "<h2>Epochs</h2><div class='scroll'><table><tr><th>epoch</th><th>training "
           "loss</th><th>training accuracy</th><th>test "
           "loss</th><th>test accuracy</th><th>images/s</th><th>seconds</th></tr>");
    for (int e = 0; e < run->nepochs; e++) {
        const epoch_metrics *m = &run->epochs[e];
        put(p,
            "<tr><th>%d</th><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%.0f</"
            "td><td>%.1f</td></tr>",
            e + 1, m->train_loss, m->train_accuracy, m->test_loss, m->test_accuracy,
            m->images_per_second, m->seconds);
    }
    put(p, "</table></div>\n");
}

int write_report(const run_record *run)
{
    page p = {0};
    const epoch_metrics *best = &run->epochs[run->best];
    put(&p,
        "<!doctype html>\n<html lang='en'><meta charset='utf-8'><meta name='viewport' "
        "content='width=device-width'>"
        "<title>LeNet-5 on Fashion-MNIST</title><style>%s</style>\n<h1>LeNet-5 on "
        "Fashion-MNIST</h1><p class='sub'>",
        style);
    put_escaped(&p, run->folder);
    put(&p, "</p>\n<div class='cards'>");
    put_card(&p, "test accuracy", "%.4f", best->test_accuracy);
    put_card(&p, "best epoch", "%d of %d", run->best + 1, run->nepochs);
    put_card(&p, "backend", "%s", run->device);
    put_card(&p, "device", "%s", run->device_name);
    put_card(&p, "images a second", "%.0f", run->epochs[run->nepochs - 1].images_per_second);
    put_card(&p, "batch size", "%lld", (long long)run->batch_size);
    put_card(&p, "highest rate", "%g", run->lr);
    put_card(&p, "seed", "%lld", (long long)run->seed);
    put_card(&p, "images: training, test", "%lld, %lld", (long long)run->train_count,
             (long long)run->test_count);
    put_card(&p, "Cresset", "%s", cr_version());
    put(&p, "</div>\n<h2>Learning curves</h2><div class='row'>\n");
    put_chart(&p, run, "Loss", train_loss, test_loss);
    put_chart(&p, run, "Accuracy", train_accuracy, test_accuracy);
    put(&p, "</div>\n");
    put_steps(&p, run);
    put_confusion(&p, run);
    put_wrong(&p, run);
    put_samples(&p, run);
    put_histograms(&p, run);
    put_graph(&p, run);
    put_epochs(&p, run);
    put(&p, "<h2>Model</h2><pre>");
    put_escaped(&p, run->model);
    put(&p, "\n\n");
    put_escaped(&p, run->summary);
    put(&p, "</pre>\n</html>\n");
    char path[1100];
    snprintf(path, sizeof path, "%s/report.html", run->folder);
    int failed = p.failed ? (cr_fail("out of memory: the report"), -1)
                          : cr_write_file(path, p.data, p.length);
    free(p.data);
    return failed;
}
