/* The report on the training itself: curves by step, samples, parameters, the model's graph. */
#include "report_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- curves by step ---- */

typedef double (*getter)(const step_metrics *s);
static double loss_of(const step_metrics *s)
{
    return s->loss;
}
static double rate_of(const step_metrics *s)
{
    return s->lr;
}
static double norm_of(const step_metrics *s)
{
    return s->grad_norm;
}

enum { WIDTH = 460, HEIGHT = 200, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 28 };

static void put_curve(page *p, const run_record *run, const char *title, getter get)
{
    double low = INFINITY, high = -INFINITY;
    int64_t last = run->steps[run->nsteps - 1].step;
    for (int i = 0; i < run->nsteps; i++) {
        low = fmin(low, get(&run->steps[i]));
        high = fmax(high, get(&run->steps[i]));
    }
    if (!isfinite(low) || !isfinite(high))
        return;
    double range = high > low ? high - low : 1;
    put(p,
        "<figure><figcaption>%s</figcaption><svg viewBox='0 0 %d %d' role='img' aria-label='%s by "
        "step'>",
        title, WIDTH, HEIGHT, title);
    for (int i = 0; i <= 4; i++) {
        double y = TOP + (HEIGHT - TOP - BOTTOM) * (4 - i) / 4.0;
        put(p,
            "<line class='grid' x1='%d' x2='%d' y1='%.1f' y2='%.1f'/><text x='%d' y='%.1f' "
            "text-anchor='end'>%.3g</text>",
            LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, low + range * i / 4);
    }
    put(p, "<text x='%d' y='%d'>0</text><text x='%d' y='%d' text-anchor='end'>step %lld</text>",
        LEFT, HEIGHT - 8, WIDTH - RIGHT, HEIGHT - 8, (long long)last);
    put(p, "<polyline class='train' points='");
    for (int i = 0; i < run->nsteps; i++)
        put(p, "%.1f,%.1f ",
            LEFT + (double)run->steps[i].step / (double)(last ? last : 1) * (WIDTH - LEFT - RIGHT),
            TOP + (high - get(&run->steps[i])) / range * (HEIGHT - TOP - BOTTOM));
    put(p, "'/></svg></figure>\n");
}

void put_steps(page *p, const run_record *run)
{
    if (!run->nsteps)
        return;
    put(p, "<h2>Steps</h2><div class='row three'>\n");
    put_curve(p, run, "Loss of a batch", loss_of);
    put_curve(p, run, "Learning rate", rate_of);
    put_curve(p, run, "Norm of the gradient", norm_of);
    put(p, "</div>\n");
}

/* ---- samples ---- */

void put_samples(page *p, const run_record *run)
{
    if (!run->nsamples)
        return;
    put(p, "<h2>Samples</h2><p class='sub'>The first of the training set.</p><div class='wrong'>");
    for (int i = 0; i < run->nsamples; i++) {
        const char *label = cr_fashion_mnist_class(run->samples[i].label);
        put(p, "<div><img alt='%s' src='", label);
        put_pixels(p, run->samples[i].pixels);
        put(p, "'><br>%s</div>", label);
    }
    put(p, "</div>\n");
}

/* ---- parameters ---- */

static void put_histogram(page *p, const char *name, const float *v, int64_t n)
{
    enum { BARS = 40, W = 200, H = 80 };
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
    int64_t count[BARS] = {0}, most = 1;
    for (int64_t i = 0; i < n; i++) {
        low = fmin(low, (double)v[i]);
        high = fmax(high, (double)v[i]);
        sum += (double)v[i];
        squares += (double)v[i] * (double)v[i];
    }
    if (!n || !isfinite(sum))
        return;
    for (int64_t i = 0; i < n; i++) {
        int k = high > low ? (int)(((double)v[i] - low) / (high - low) * BARS) : 0;
        k = k < BARS ? k : BARS - 1;
        if (++count[k] > most)
            most = count[k];
    }
    double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    put(p, "<figure><figcaption>");
    put_escaped(p, name);
    put(p, "</figcaption><svg viewBox='0 0 %d %d' role='img' aria-label='histogram'>", W, H + 16);
    for (int k = 0; k < BARS; k++) {
        double height = (double)count[k] / (double)most * H;
        put(p, "<rect class='bar' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>",
            (double)k * W / BARS, H - height, (double)W / BARS - 0.6, height);
    }
    put(p,
        "<text x='0' y='%d'>%.2g</text><text x='%d' y='%d' text-anchor='end'>%.2g</text></svg><p "
        "class='key'>mean %.3g, deviation %.3g</p></figure>\n",
        H + 13, low, W, H + 13, high, mean, sqrt(variance > 0 ? variance : 0));
}

void put_histograms(page *p, const run_record *run)
{
    if (!run->net)
        return;
    put(p, "<h2>Parameters</h2><p class='sub'>How their values are distributed after the last "
           "epoch.</p><div class='small'>");
    CR_SCOPE {
        CR_FOREACH_PARAMETER (parameter, run->net) {
            size_t bytes = (size_t)cr_tensor_numel(parameter.tensor) * sizeof(float);
            float *values = malloc(bytes);
            if (!values || cr_tensor_read(parameter.tensor, values, bytes))
                p->failed = true;
            else
                put_histogram(p, parameter.name, values, cr_tensor_numel(parameter.tensor));
            free(values);
        }
    }
    put(p, "</div>\n");
}

/* ---- the graph ---- */

void put_graph(page *p, const run_record *run)
{
    enum { ACROSS = 4, BOX_W = 196, BOX_H = 46, GAP_X = 40, GAP_Y = 30 };
    int count = run->net ? (int)cr_module_count(run->net) : 0, i = 0;
    if (!count)
        return;
    int rows = (count + ACROSS - 1) / ACROSS;
    put(p, "<h2>Graph</h2><figure><svg viewBox='0 0 %d %d' role='img' aria-label='the model'>",
        ACROSS * (BOX_W + GAP_X), rows * (BOX_H + GAP_Y));
    put(p, "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
           "markerHeight='7' orient='auto'><path d='M0,0L8,4L0,8z' "
           "fill='currentColor'/></marker></defs>");
    bool was = cr_set_grad_enabled(false);
    CR_SCOPE {
        cr_tensor *x = cr_zeros(CR_INTS(2, 1, 28, 28));
        bool training = run->net->training;
        cr_eval(run->net);
        CR_FOREACH_CHILD(child, run->net)
        {
            int column = i % ACROSS, row = i / ACROSS;
            int left = column * (BOX_W + GAP_X) + 2, top = row * (BOX_H + GAP_Y) + 2;
            x = cr_forward(child.module, x);
            put(p,
                "<rect class='box' rx='6' x='%d' y='%d' width='%d' height='%d'/><text class='name' "
                "x='%d' y='%d'>",
                left, top, BOX_W, BOX_H, left + 10, top + 18);
            put_escaped(p, child.name);
            put(p, ": ");
            put_escaped(p, child.module->type->name);
            put(p, "</text><text x='%d' y='%d'>", left + 10, top + 35);
            for (int d = 1; d < cr_tensor_dim(x); d++)
                put(p, "%s%lld", d > 1 ? " × " : "", (long long)cr_tensor_size(x, d));
            put(p, "</text>");
            if (++i < count && column + 1 < ACROSS)
                put(p,
                    "<line class='arrow' marker-end='url(#tip)' x1='%d' x2='%d' y1='%d' y2='%d'/>",
                    left + BOX_W, left + BOX_W + GAP_X, top + BOX_H / 2, top + BOX_H / 2);
            else if (i < count)
                put(p,
                    "<polyline class='arrow' marker-end='url(#tip)' points='%d,%d %d,%d %d,%d "
                    "%d,%d'/>",
                    left + BOX_W / 2, top + BOX_H, left + BOX_W / 2, top + BOX_H + GAP_Y / 2,
                    BOX_W / 2, top + BOX_H + GAP_Y / 2, BOX_W / 2, top + BOX_H + GAP_Y);
        }
        if (training)
            cr_train(run->net);
    }
    cr_set_grad_enabled(was);
    put(p, "</svg></figure>\n");
}
