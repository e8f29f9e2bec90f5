/* cresset train: LeNet-5 on Fashion-MNIST with SGD and a one-cycle rate; leaves metrics, the best checkpoint and a report. */
#include "cli.h"
#include "run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const double mean = 0.2860, deviation = 0.3530; /* of Fashion-MNIST's pixels */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

cr_module *make_lenet(void)
{
    return cr_sequential("conv1", cr_conv2d(1, 6, 5, .padding = 2), "relu1", cr_relu_layer(),
                         "pool1", cr_max_pool2d(2), "conv2", cr_conv2d(6, 16, 5), "relu2",
                         cr_relu_layer(), "pool2", cr_max_pool2d(2), "flatten", cr_flatten_layer(),
                         "fc1", cr_linear(400, 120), "relu3", cr_relu_layer(), "fc2",
                         cr_linear(120, 84), "relu4", cr_relu_layer(), "fc3", cr_linear(84, 10));
}

/* ---- the run's folder ---- */

static int make_folder(const char *path)
{
    if (!mkdir(path, 0777) || errno == EEXIST)
        return 0;
    fprintf(stderr, "cresset train: cannot make the folder %s: %s\n", path, strerror(errno));
    return -1;
}

/* out/name, which must be new unless forced; without a name the first free lenet-N. */
static int claim_folder(const char *out, const char *name, bool force, char *folder, size_t size)
{
    if (make_folder(out))
        return -1;
    for (int n = 1; n < 100000; n++) {
        int length = name ? snprintf(folder, size, "%s/%s", out, name)
                          : snprintf(folder, size, "%s/lenet-%d", out, n);
        if (length < 0 || (size_t)length >= size - 32) {
            fprintf(stderr, "cresset train: the path %s/… is too long\n", out);
            return -1;
        }
        if (!mkdir(folder, 0777))
            return 0;
        if (errno != EEXIST) {
            fprintf(stderr, "cresset train: cannot make the folder %s: %s\n", folder,
                    strerror(errno));
            return -1;
        }
        if (name && force)
            return 0;
        if (name) {
            fprintf(stderr,
                    "cresset train: %s exists; choose another --name, or replace it with --force\n",
                    folder);
            return -1;
        }
    }
    fprintf(stderr, "cresset train: no free name in %s\n", out);
    return -1;
}

/* All of metrics.csv, anew and whole: a run cut short leaves the epochs it finished. */
static int write_metrics(const run_record *run)
{
    char path[1100], line[256], *text = malloc(64 + (size_t)run->nepochs * sizeof line);
    if (!text)
        return cr_fail("out of memory: metrics"), -1;
    size_t length = (size_t)sprintf(
        text,
        "epoch,lr,train_loss,train_accuracy,test_loss,test_accuracy,seconds,images_per_second\n");
    for (int e = 0; e < run->nepochs; e++) {
        const epoch_metrics *m = &run->epochs[e];
        length +=
            (size_t)snprintf(text + length, sizeof line, "%d,%.6g,%.6f,%.6f,%.6f,%.6f,%.3f,%.0f\n",
                             e + 1, m->lr, m->train_loss, m->train_accuracy, m->test_loss,
                             m->test_accuracy, m->seconds, m->images_per_second);
    }
    snprintf(path, sizeof path, "%s/metrics.csv", run->folder);
    int failed = cr_write_file(path, text, length);
    free(text);
    return failed;
}

/* ---- evaluation ---- */

static void note_image(wrong_sample *w, const float *pixels, int label, int predicted)
{
    w->label = label;
    w->predicted = predicted;
    for (int i = 0; i < RUN_PIXELS; i++) {
        double v = ((double)pixels[i] * deviation + mean) * 255 + 0.5;
        w->pixels[i] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static int note_samples(run_record *run, cr_dataset *set)
{
    int64_t length = cr_dataset_length(set);
    for (int i = 0; i < RUN_SAMPLES && i < length; i++)
        CR_SCOPE {
            cr_sample sample;
            float pixels[RUN_PIXELS];
            if (!cr_dataset_get(set, i, &sample) &&
                !cr_tensor_read(sample.tensors[0], pixels, sizeof pixels))
                note_image(&run->samples[run->nsamples++], pixels,
                           (int)cr_item_int(sample.tensors[1]), 0);
        }
    return cr_error() ? -1 : 0;
}

/* Loss and accuracy on the test set; the confusion matrix and some mistakes go to `into`. */
static int evaluate(cr_module *net, cr_loader *loader, epoch_metrics *m, run_record *into)
{
    double loss = 0;
    int64_t right = 0, count = 0;
    memset(into->confusion, 0, sizeof into->confusion);
    into->nwrong = 0;
    cr_eval(net);
    CR_NO_GRAD {
        CR_FOREACH_BATCH (batch, loader) {
            int64_t labels[1024], predicted[1024], n = batch.count;
            cr_tensor *out = cr_forward(net, batch.input);
            loss += cr_item(cr_cross_entropy(out, batch.target)) * (double)n;
            if (cr_tensor_read(batch.target, labels, (size_t)n * 8) ||
                cr_tensor_read(cr_argmax(out, .dim = CR_SOME(1)), predicted, (size_t)n * 8))
                break;
            const float *pixels = cr_data_ptr(batch.input);
            for (int64_t i = 0; i < n; i++) {
                right += labels[i] == predicted[i];
                into->confusion[labels[i]][predicted[i]]++;
                if (labels[i] != predicted[i] && into->nwrong < RUN_WRONG && pixels)
                    note_image(&into->wrong[into->nwrong++], pixels + i * RUN_PIXELS,
                               (int)labels[i], (int)predicted[i]);
            }
            count += n;
        }
    }
    cr_train(net);
    m->test_loss = count ? loss / (double)count : 0;
    m->test_accuracy = count ? (double)right / (double)count : 0;
    return cr_error() ? -1 : 0;
}

/* ---- training ---- */

/* Notes a step if its turn has come: what is measured has to be waited for, so not every one is. */
static void note_step(run_record *run, cr_tensor *loss, cr_optimizer *sgd)
{
    int64_t step = run->step++, every = run->steps_planned / RUN_STEPS + 1;
    if (step % every || run->nsteps == RUN_STEPS)
        return;
    double squares = 0;
    CR_FOREACH_PARAMETER (p, run->net) {
        double norm = cr_item(cr_norm(cr_grad(p.tensor)));
        squares += norm * norm;
    }
    run->steps[run->nsteps++] = (step_metrics){step, cr_item(loss), cr_get_lr(sgd), sqrt(squares)};
}

/* One epoch. Loss and hits are added up on the device and looked at now and then, so that nothing waits at every batch. */
static int train_epoch(run_record *run, cr_loader *loader, cr_optimizer *sgd,
                       cr_scheduler *schedule, progress *bar, epoch_metrics *m)
{
    cr_module *net = run->net;
    double begun = now_seconds(), mean_loss = 0, accuracy = 0;
    int64_t seen = 0;
    cr_tensor *loss_sum = cr_zeros(CR_EMPTY), *hits = cr_zeros(CR_EMPTY, .dtype = CR_I64);
    CR_FOREACH_BATCH (batch, loader) {
        cr_tensor *out = cr_forward(net, batch.input);
        cr_tensor *loss = cr_cross_entropy(out, batch.target);
        cr_zero_grad(sgd);
        cr_backward(loss);
        note_step(run, loss, sgd);
        cr_step(sgd);
        cr_step(schedule);
        seen += batch.count;
        CR_NO_GRAD {
            cr_add_(loss_sum, cr_detach(loss), .alpha = CR_S(batch.count));
            cr_add_(hits, cr_sum(cr_eq(cr_argmax(out, .dim = CR_SOME(1)), batch.target)));
        }
        if (bar->live && now_seconds() - bar->shown > 0.1) {
            mean_loss = cr_item(loss_sum) / (double)seen;
            accuracy = (double)cr_item_int(hits) / (double)seen;
            progress_update(bar, seen, mean_loss, accuracy);
        }
        if (interrupted)
            break;
    }
    m->seconds = now_seconds() - begun;
    m->images_per_second = m->seconds > 0 ? (double)seen / m->seconds : 0;
    m->train_loss = seen ? cr_item(loss_sum) / (double)seen : 0;
    m->train_accuracy = seen ? (double)cr_item_int(hits) / (double)seen : 0;
    return cr_error() ? -1 : 0;
}

/* The checkpoint of the best epoch, and with it its confusion matrix and mistakes. */
static int keep_best(run_record *run, const run_record *latest, cr_module *net)
{
    char path[1100];
    int e = run->nepochs - 1;
    if (e && run->epochs[e].test_accuracy <= run->epochs[run->best].test_accuracy)
        return 0;
    run->best = e;
    memcpy(run->confusion, latest->confusion, sizeof run->confusion);
    memcpy(run->wrong, latest->wrong, sizeof run->wrong);
    run->nwrong = latest->nwrong;
    snprintf(path, sizeof path, "%s/best.safetensors", run->folder);
    int failed = 0;
    CR_SCOPE
        failed = cr_save(path, cr_module_state_dict(net));
    return failed;
}

static const char *device_name(const char *device)
{
    static char name[256];
    cr_device_info info = {.name = ""};
    snprintf(name, sizeof name, "%s", cr_device_get_info(device, &info) ? device : info.name);
    return name;
}

typedef struct settings {
    const char *name, *out, *data, *backend;
    int64_t epochs, batch_size, seed, threads, limit;
    double lr;
    bool force;
} settings;

static cr_dataset *limited(cr_dataset *set, int64_t limit)
{
    int64_t length = cr_dataset_length(set);
    if (limit <= 0 || length <= limit)
        return set;
    int64_t *indices = malloc((size_t)limit * sizeof *indices);
    for (int64_t i = 0; indices && i < limit; i++)
        indices[i] = i;
    cr_dataset *subset =
        indices ? cr_subset(set, indices, (size_t)limit) : cr_fail("out of memory: a subset");
    free(indices);
    return subset;
}

static int train(const settings *s, run_record *run, run_record *latest)
{
    cr_dataset *training =
        limited(cr_fashion_mnist(s->data, CR_TRAIN, .mean = mean, .std = deviation), s->limit);
    cr_dataset *testing =
        limited(cr_fashion_mnist(s->data, CR_TEST, .mean = mean, .std = deviation), s->limit);
    if (cr_error())
        return report_error();
    run->device = cr_default_device();
    if (!run->device)
        return report_error();
    run->device_name = device_name(run->device);
    cr_manual_seed((uint64_t)s->seed);
    cr_module *net = make_lenet();
    cr_loader *loader = cr_data_loader(training, .batch_size = s->batch_size, .shuffle = true,
                                       .seed = (uint64_t)s->seed + 1);
    cr_loader *test_loader = cr_data_loader(testing, .batch_size = 1000);
    cr_optimizer *sgd = cr_sgd(net, .lr = s->lr, .momentum = 0.9);
    cr_scheduler *schedule =
        cr_one_cycle_lr(sgd, s->lr, .epochs = s->epochs,
                        .steps_per_epoch = cr_loader_length(loader), .no_cycle_momentum = true);
    run->summary = cr_summary_to_string(net, CR_INTS(1, 28, 28));
    run->model = cr_module_to_string(net);
    if (cr_error())
        return report_error();
    if (claim_folder(s->out, s->name, s->force, run->folder, sizeof run->folder))
        return CLI_FAILED;
    run->net = net;
    run->steps_planned = s->epochs * cr_loader_length(loader);
    if (note_samples(run, training))
        return report_error();
    run->epochs_planned = s->epochs;
    run->batch_size = s->batch_size;
    run->seed = s->seed;
    run->lr = s->lr;
    run->train_count = cr_dataset_length(training);
    run->test_count = cr_dataset_length(testing);
    printf("LeNet-5 on Fashion-MNIST, %lld parameters, on %s (%s), into %s\n",
           (long long)cr_parameter_count(net), run->device, run->device_name, run->folder);
    fflush(stdout);
    signal(SIGINT, on_interrupt);
    for (int e = 0; e < s->epochs && !interrupted; e++) {
        progress bar;
        epoch_metrics *m = &run->epochs[e];
        progress_begin(&bar, e + 1, (int)s->epochs, run->train_count);
        int failed = 0;
        CR_SCOPE {
            failed = train_epoch(run, loader, sgd, schedule, &bar, m) ||
                     (!interrupted && evaluate(net, test_loader, m, latest));
        }
        if (failed)
            return report_error();
        if (interrupted)
            break;
        m->lr = cr_get_last_lr(schedule, 0);
        run->nepochs = e + 1;
        progress_end(&bar, m);
        if (keep_best(run, latest, net) || write_metrics(run) || write_report(run))
            return report_error();
    }
    if (interrupted)
        fprintf(stderr, "\ncresset train: interrupted; what was finished is in %s\n", run->folder);
    if (run->nepochs)
        printf("test accuracy %.4f after epoch %d; report in %s/report.html\n",
               run->epochs[run->best].test_accuracy, run->best + 1, run->folder);
    return interrupted ? CLI_INTERRUPTED : 0;
}

static int run_train(int argc, char **argv)
{
    settings s = {.out = "runs", .epochs = 5, .batch_size = 64, .lr = 0.05};
    const option options[] = {
        {"epochs", OPTION_INT, &s.epochs},   {"batch-size", OPTION_INT, &s.batch_size},
        {"lr", OPTION_NUMBER, &s.lr},        {"name", OPTION_TEXT, &s.name},
        {"out", OPTION_TEXT, &s.out},        {"data", OPTION_TEXT, &s.data},
        {"seed", OPTION_INT, &s.seed},       {"backend", OPTION_TEXT, &s.backend},
        {"threads", OPTION_INT, &s.threads}, {"limit", OPTION_INT, &s.limit},
        {"force", OPTION_FLAG, &s.force},    {NULL, OPTION_FLAG, NULL}};
    const char *model[1];
    int n = read_options(&train_command, options, argc, argv, model, 1);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (n != 1 || strcmp(model[0], "lenet")) {
        fprintf(stderr, "cresset train: the model must be lenet%s%s\n", n ? ", not " : "",
                n ? model[0] : "");
        return CLI_USAGE;
    }
    const char *wrong = s.epochs < 1 || s.epochs > RUN_EPOCHS ? "--epochs must be from 1 to 1000"
                        : s.batch_size < 1 || s.batch_size > 60000
                            ? "--batch-size must be from 1 to 60000"
                        : !(s.lr > 0 && s.lr < 100)         ? "--lr must be above 0 and below 100"
                        : s.limit < 0                       ? "--limit must not be negative"
                        : s.threads < 0 || s.threads > 1024 ? "--threads must be from 1 to 1024"
                        : s.name && strchr(s.name, '/')     ? "--name must not contain '/'"
                                                            : NULL;
    if (wrong) {
        fprintf(stderr, "cresset train: %s\n", wrong);
        return CLI_USAGE;
    }
    if (s.backend && cr_set_default_device(s.backend))
        return report_error();
    if (s.threads && cr_set_num_threads((int)s.threads))
        return report_error();
    run_record *run = calloc(2, sizeof *run);
    if (!run) {
        fprintf(stderr, "cresset train: out of memory\n");
        return CLI_FAILED;
    }
    int status = train(&s, run, run + 1);
    cr_free(run->summary);
    cr_free(run->model);
    free(run);
    return status;
}

const command train_command = {
    "train", "lenet [options]",
    "Trains LeNet-5 on Fashion-MNIST and leaves metrics, the best checkpoint and a report.",
    "  --epochs N       5\n"
    "  --batch-size N   64\n"
    "  --lr R           the highest rate of the one-cycle schedule: 0.05\n"
    "  --name NAME      of the run's folder: lenet-1, lenet-2 …; one that exists is refused\n"
    "  --force          writes into an existing folder all the same\n"
    "  --out DIR        where runs go: runs\n"
    "  --data DIR       the four idx files: $CRESSET_DATA/fashion-mnist or "
    "/usr/share/datasets/fashion-mnist\n"
    "  --seed N         0\n"
    "  --backend NAME   \"cpu\", \"vulkan:1\"; the best found otherwise\n"
    "  --threads N      for backends that run on the processor\n"
    "  --limit N        only the first N images of each set\n",
    run_train};
