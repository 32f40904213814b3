/* A small fixed piece of work on one thread, whose instructions callgrind counts:
 *
 *     valgrind --tool=callgrind --toggle-collect=counted_call tleg_speed_counted LEVEL WORKLOAD
 *
 * Sizes are small and odd, so that no kernel's share of the instructions vanishes beside the products, and edges of tiles
 * count. Only public functions are called: what lies behind them may be built anew. Exit 77: this machine lacks the level. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/tleg.h>
#include <tleg/train.h>

enum { IMAGE = 28, PATCH = 4, HEADS = 3, CLASSES = 10, DEPTH = 3, BATCH = 3, DEEP = 9 };
/* Widths: for passes, one at which no product hides what else there is; for expansion, one at which names do not count. */
enum { PASS = 72, WIDE = 132 };
/* Of the operations alone: tokens, and heads so narrow that softmax outweighs attention's products. */
enum { TOKENS = 50, NARROW = 12 };

/* What a workload works with; made before the count. */
struct work {
    tleg_context *context;
    tleg_expander *expander;
    tleg_model *model;
    tleg_session *session, *elastic;
    tleg_trainer *trainer;
    tleg_tensor *x, *y, *dy, *qkv, *dqkv; /* (1, TOKENS, PASS), (1, TOKENS, 3 * PASS) */
    tleg_tensor *weight, *bias;           /* (PASS) */
    float images[BATCH * 3 * IMAGE * IMAGE];
};

static void check(tleg_status status, const char *text) {
    if (status != TLEG_OK) {
        fprintf(stderr, "tleg_speed_counted: %s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* One image through a model of three layers. */
static void forward(struct work *work) {
    float logits[CLASSES];
    check(tleg_session_run(work->session, 1, work->images, 3 * IMAGE * IMAGE, logits, CLASSES, NULL, 0),
          tleg_session_get_error(work->session));
}

/* The same, its layers formed as they run. */
static void elastic(struct work *work) {
    float logits[CLASSES];
    check(tleg_session_run(work->elastic, 1, work->images, 3 * IMAGE * IMAGE, logits, CLASSES, NULL, 0),
          tleg_session_get_error(work->elastic));
}

/* Forward, backward and AdamW of a gene at three layers. */
static void step(struct work *work) {
    const int64_t labels[BATCH] = {1, 4, 7};
    const tleg_train_batch batch = {.struct_size = sizeof batch, .size = BATCH, .images = work->images, .labels = labels};
    check(tleg_trainer_backward(work->trainer, &batch, NULL), tleg_trainer_get_error(work->trainer));
    check(tleg_trainer_update(work->trainer, 1e-3), tleg_trainer_get_error(work->trainer));
}

/* A gene to nine layers. */
static void expansion(struct work *work) {
    check(tleg_expander_expand(work->context, work->expander, DEEP, &work->model), tleg_context_get_error(work->context));
}

/* Rows that a product's rows go through, and attention: beside products their instructions would not be seen. */
static void norm(struct work *w) {
    check(tleg_layernorm_forward(w->context, w->x, w->weight, w->bias, 1e-5, w->y), tleg_context_get_error(w->context));
}
static void norm_back(struct work *w) {
    check(tleg_layernorm_backward(w->context, w->x, w->weight, 1e-5, w->dy, w->y, w->weight, w->bias),
          tleg_context_get_error(w->context));
}
static void gelu(struct work *w) {
    check(tleg_gelu_forward(w->context, w->x, w->y), tleg_context_get_error(w->context));
}
static void gelu_back(struct work *w) {
    check(tleg_gelu_backward(w->context, w->x, w->dy, w->y), tleg_context_get_error(w->context));
}
static void attention(struct work *w) {
    check(tleg_attention_forward(w->context, w->qkv, NARROW, w->y), tleg_context_get_error(w->context));
}
static void attention_back(struct work *w) {
    check(tleg_attention_backward(w->context, w->qkv, NARROW, w->dy, w->dqkv), tleg_context_get_error(w->context));
}

/* Four tensors for the matrices, in place of base and ilayer. */
static const char four_tensors[] = "{\"qkv\":[[3,\"power\",4]],\"proj\":[[3,\"power\",4]],"
                                   "\"fc1\":[[3,\"power\",4]],\"fc2\":[[3,\"power\",4]]}";

static const struct workload {
    const char *name;
    void (*run)(struct work *work);
    int32_t dim, dtype;   /* of the weights that run, or are formed */
    const char *schedule; /* of the gene; NULL: base and ilayer */
} workloads[] = {
    {"forward", forward, PASS, TLEG_F32, NULL},
    {"forward-bf16", forward, PASS, TLEG_BF16, NULL},
    {"elastic", elastic, PASS, TLEG_F32, NULL},
    {"elastic-4", elastic, PASS, TLEG_F32, four_tensors},
    {"elastic-4-bf16", elastic, PASS, TLEG_BF16, four_tensors},
    {"step", step, PASS, TLEG_F32, NULL},
    {"expansion", expansion, WIDE, TLEG_F32, NULL},
    {"expansion-4", expansion, WIDE, TLEG_F32, four_tensors},
    {"expansion-bf16", expansion, WIDE, TLEG_BF16, NULL},
    {"norm", norm, PASS, TLEG_F32, NULL},
    {"norm-back", norm_back, PASS, TLEG_F32, NULL},
    {"gelu", gelu, PASS, TLEG_F32, NULL},
    {"gelu-back", gelu_back, PASS, TLEG_F32, NULL},
    {"attention", attention, PASS, TLEG_F32, NULL},
    {"attention-back", attention_back, PASS, TLEG_F32, NULL},
};

void counted_call(const struct workload *workload, struct work *work); /* the name that callgrind watches */
void counted_call(const struct workload *workload, struct work *work) {
    workload->run(work);
}
/* Called through memory, so that no compiler puts it in its caller's place. */
static void (*volatile counted)(const struct workload *workload, struct work *work) = counted_call;

static int32_t find_level(const char *name) {
    const char *found;
    for (int32_t i = 0, level; (level = tleg_cpu_level(i, &found)) != 0; i++)
        if (strcmp(found, name) == 0)
            return level;
    return 0;
}

/* A tensor of numbers of size 1. */
static tleg_tensor *tensor(tleg_context *context, int32_t rank, int64_t width) {
    const int64_t whole[] = {1, TOKENS, width};
    tleg_tensor *made;
    tleg_tensor_info info = {.struct_size = sizeof info};
    check(tleg_tensor_create(context, TLEG_F32, rank, rank == 1 ? &width : whole, &made), tleg_context_get_error(context));
    check(tleg_tensor_get_info(context, made, &info), "no info");
    for (uint64_t i = 0; i < info.bytes / sizeof(float); i++)
        ((float *)info.data)[i] = (float)(i * 37 % 101) / 50 - 1;
    return made;
}

static void prepare_tensors(struct work *work) {
    tleg_tensor **const rows[] = {&work->x, &work->y, &work->dy};
    tleg_tensor **const wide[] = {&work->qkv, &work->dqkv};
    tleg_tensor **const vectors[] = {&work->weight, &work->bias};
    for (int i = 0; i < 3; i++)
        *rows[i] = tensor(work->context, 3, PASS);
    for (int i = 0; i < 2; i++) {
        *wide[i] = tensor(work->context, 3, 3 * PASS);
        *vectors[i] = tensor(work->context, 1, PASS);
    }
}

static void prepare(struct work *work, int32_t level, const struct workload *workload) {
    const tleg_context_options own = {.struct_size = sizeof own, .level = level, .gemm = TLEG_GEMM_OWN, .workers = 1};
    const tleg_config config = {.struct_size = sizeof config,
                                .image_size = IMAGE,
                                .patch_size = PATCH,
                                .dim = workload->dim,
                                .heads = HEADS,
                                .class_token = 1,
                                .classes = CLASSES,
                                .schedule = workload->schedule};
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = workload->dtype};
    const tleg_trainer_options training = {.struct_size = sizeof training, .batch = BATCH, .depth_least = DEPTH};
    tleg_learngene *gene;
    tleg_model *model;
    check(tleg_context_create(&own, &work->context), "no context");
    check(tleg_learngene_create(work->context, &config, 1, &gene), tleg_context_get_error(work->context));
    check(tleg_expander_create(work->context, gene, &options, &work->expander), tleg_context_get_error(work->context));
    check(tleg_expander_expand(work->context, work->expander, DEPTH, &model), tleg_context_get_error(work->context));
    check(tleg_session_create(work->context, model, NULL, &work->session), tleg_context_get_error(work->context));
    check(tleg_session_create_elastic(work->context, work->expander, DEPTH, NULL, &work->elastic),
          tleg_context_get_error(work->context));
    check(tleg_trainer_create(work->context, gene, &training, &work->trainer), tleg_context_get_error(work->context));
    tleg_model_free(model);
    tleg_learngene_free(gene);
    prepare_tensors(work);
    for (size_t i = 0; i < sizeof work->images / sizeof *work->images; i++)
        work->images[i] = (float)(i * 37 % 101) / 50 - 1;
}

static void clear(struct work *work) {
    tleg_tensor *const tensors[] = {work->x, work->y, work->dy, work->qkv, work->dqkv, work->weight, work->bias};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        tleg_tensor_free(tensors[i]);
    tleg_model_free(work->model);
    tleg_session_free(work->session);
    tleg_session_free(work->elastic);
    tleg_trainer_free(work->trainer);
    tleg_expander_free(work->expander);
    tleg_context_free(work->context);
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 3 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i].name, argv[2]) != 0)
            continue;
        int32_t level = find_level(argv[1]);
        if (level == 0)
            return 77;
        static struct work work;
        prepare(&work, level, &workloads[i]);
        counted(&workloads[i], &work);
        clear(&work);
        return 0;
    }
    fprintf(stderr, "usage: tleg_speed_counted LEVEL WORKLOAD\n");
    return 2;
}
