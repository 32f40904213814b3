/* A host that loads the library at run time, again and again, or two copies at once, and that has functions of its own under
 * the library's names (an older copy, linked statically): all of them abort here, and none may be called. guest_load COPY
 * ANOTHER-COPY GENE IMAGES ANSWERS        names what is wrong; exit 1 if anything is */
#include <tleg/tleg.h>
#include <tleg/train.h>

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOADS = 40, BATCH = 5, CLASSES = 5, DEPTH = 4, SLACK = 1 << 20 };

static const char *gene_path, *images_path, *answers_path;

/* ---- one copy ---- */

struct copy {
    void *library;
#define EACH(DO)                                                                                                               \
    DO(context_create)                                                                                                         \
    DO(context_free)                                                                                                           \
    DO(learngene_open)                                                                                                         \
    DO(learngene_free)                                                                                                         \
    DO(expander_create)                                                                                                        \
    DO(expander_expand)                                                                                                        \
    DO(expander_free)                                                                                                          \
    DO(model_free)                                                                                                             \
    DO(session_create)                                                                                                         \
    DO(session_run)                                                                                                            \
    DO(session_free)                                                                                                           \
    DO(file_open)                                                                                                              \
    DO(file_read_tensor)                                                                                                       \
    DO(file_free)                                                                                                              \
    DO(tensor_get_info)                                                                                                        \
    DO(tensor_free)                                                                                                            \
    DO(expander_get_cost)                                                                                                      \
    DO(trainer_create)                                                                                                         \
    DO(trainer_free)
#define MEMBER(name) __typeof__(&tleg_##name) name;
    EACH(MEMBER)
};

static int copy_open(struct copy *copy, void *library) {
    copy->library = library;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
#define FIND(name) *(void **)&copy->name = dlsym(library, "tleg_" #name);
#define FOUND(name) &&copy->name
    EACH(FIND)
    return 1 EACH(FOUND);
}

static const float *numbers(const struct copy *c, tleg_context *context, const char *path, const char *name,
                            tleg_tensor **tensor) {
    tleg_file *file = NULL;
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    if (c->file_open(context, path, NULL, &file) == TLEG_OK && c->file_read_tensor(context, file, name, tensor) == TLEG_OK)
        c->tensor_get_info(context, *tensor, &info);
    c->file_free(file);
    return info.data;
}

static int near_enough(const float *a, const float *b) {
    double difference = 0, norm = 0;
    for (int i = 0; a && b && i < BATCH * CLASSES; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 && sqrt(difference / norm) < 1e-5;
}

/* From the gene's file to the right logits with three workers; an elastic run and a trainer on the way, which call public
 * functions inside. */
static int works(const struct copy *c) {
    const tleg_context_options options = {.struct_size = sizeof(options), .workers = 3};
    const tleg_trainer_options training = {.struct_size = sizeof(training), .batch = 1, .depth_least = 2};
    tleg_cost cost = {.struct_size = sizeof(cost)};
    tleg_context *context = NULL;
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    tleg_trainer *trainer = NULL;
    tleg_tensor *in = NULL, *out = NULL;
    float logits[BATCH * CLASSES];
    int good = c->context_create(&options, &context) == TLEG_OK;
    const float *images = good ? numbers(c, context, images_path, "images", &in) : NULL;
    const float *answers = good ? numbers(c, context, answers_path, "logits", &out) : NULL;
    good = images && answers && c->learngene_open(context, gene_path, NULL, &gene) == TLEG_OK &&
           c->expander_create(context, gene, NULL, &expander) == TLEG_OK &&
           c->expander_expand(context, expander, DEPTH, &model) == TLEG_OK &&
           c->expander_get_cost(context, expander, 0, 1, 1, &cost) == TLEG_OK &&
           c->trainer_create(context, gene, &training, &trainer) == TLEG_OK &&
           c->session_create(context, model, NULL, &session) == TLEG_OK &&
           c->session_run(session, BATCH, images, BATCH * 3 * 16 * 16, logits, BATCH * CLASSES, NULL, 0) == TLEG_OK &&
           near_enough(logits, answers);
    c->tensor_free(in);
    c->tensor_free(out);
    c->session_free(session);
    c->trainer_free(trainer);
    c->model_free(model);
    c->expander_free(expander);
    c->learngene_free(gene);
    c->context_free(context);
    return good;
}

/* ---- many loads ---- */

static long long resident(void) {
    long long all = 0, here = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lld %lld", &all, &here) != 2)
        here = 0;
    if (file)
        fclose(file);
    return here * sysconf(_SC_PAGESIZE);
}

static int load_often(const char *path) {
    long long after_ten = 0;
    for (int i = 1; i <= LOADS; i++) {
        struct copy copy;
        if (!copy_open(&copy, dlopen(path, RTLD_NOW | RTLD_LOCAL)) || !works(&copy) || dlclose(copy.library) != 0) {
            fprintf(stderr, "load %d failed\n", i);
            return 0;
        }
        if (dlopen(path, RTLD_NOW | RTLD_NOLOAD)) {
            fprintf(stderr, "load %d: the library stays\n", i);
            return 0;
        }
        if (i == 10)
            after_ten = resident();
    }
    const long long after_all = resident();
    if (after_all > after_ten + SLACK)
        fprintf(stderr, "%lld bytes resident after 10 loads, %lld after %d\n", after_ten, after_all, LOADS);
    return after_all <= after_ten + SLACK;
}

/* ---- two copies at once ---- */

static void *use(void *argument) {
    for (int i = 0; i < 8; i++)
        if (!works(argument))
            return NULL;
    return argument;
}

static int two_at_once(const char *what, void *first, void *second) {
    struct copy copies[2];
    pthread_t threads[2];
    int good = copy_open(&copies[0], first) && copy_open(&copies[1], second);
    if (good && copies[0].session_run == copies[1].session_run) {
        fprintf(stderr, "%s: the same copy twice\n", what);
        good = 0;
    }
    for (int i = 0; good && i < 2; i++)
        good = pthread_create(&threads[i], NULL, use, &copies[i]) == 0;
    for (int i = 0; good && i < 2; i++) {
        void *right = NULL;
        good = pthread_join(threads[i], &right) == 0 && right;
    }
    if (!good)
        fprintf(stderr, "%s: it does not work\n", what);
    if (first)
        dlclose(first);
    if (second)
        dlclose(second);
    return good;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: guest_load COPY ANOTHER-COPY GENE IMAGES ANSWERS\n");
        return 2;
    }
    gene_path = argv[3], images_path = argv[4], answers_path = argv[5];
    const int loaded = load_often(argv[1]);
    const int local = two_at_once("two copies", dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), dlopen(argv[2], RTLD_NOW | RTLD_LOCAL));
    const int global = two_at_once("two copies, the first for all", dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL),
                                   dlopen(argv[2], RTLD_NOW | RTLD_LOCAL));
    return loaded && local && global ? 0 : 1;
}
