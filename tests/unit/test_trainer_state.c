/* What a trainer promises around its arithmetic: state that goes on bit for bit and is refused elsewhere, numbers that are not
 * finite, memory that is said beforehand and may run out, results, stochastic depth, and what is refused. */
#include "unit/trainer.h"

static struct grad_case cases[MAX_GRADS];
static int32_t case_count;
static tleg_context *plain;

static int prepare(void **state) {
    (void)state;
    case_count = trainer_cases(cases);
    return tleg_context_create(NULL, &plain) != TLEG_OK;
}

static int clean(void **state) {
    (void)state;
    tleg_context_free(plain);
    support_clean();
    return 0;
}

static const struct grad_case *find(const char *name) {
    return trainer_case(cases, case_count, name);
}

static void says(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, part);
    }
}

/* ---- state in a file ---- */

/* Everything that a state must carry: random depths, dropped paths, moments, a moving average. */
static tleg_trainer_options busy_options(const struct grad_case *c) {
    tleg_trainer_options options = trainer_options(c);
    options.drop_path = 0.3;
    options.ema = 0.9;
    options.seed = 5;
    if (!c->model) {
        options.depth_mode = TLEG_DEPTH_RANDOM;
        options.depth_most = options.depth_least + 3;
    }
    return options;
}

static void steps(tleg_trainer *trainer, const tleg_batch *batch, int count) {
    for (int i = 0; i < count; i++) {
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, batch, NULL));
        OK_TRAINER(trainer, tleg_trainer_update(trainer, 0.003));
    }
}

static bool same_state(const tleg_trainer *a, const tleg_trainer *b) {
    bool same = tleg_trainer_steps(a) == tleg_trainer_steps(b);
    for (int32_t average = 0; average < 2 && same; average++) {
        struct flat x = trainer_values(plain, a, average), y = trainer_values(plain, b, average);
        same = flat_same(&x, &y);
        free(x.values);
        free(y.values);
    }
    return same;
}

static void a_saved_trainer_goes_on_bit_for_bit(void **state) {
    (void)state;
    static const char *const names[] = {"schedule-9", "dist-5", "cls-2-model"};
    for (size_t i = 0; i < 3; i++) {
        const struct grad_case *c = find(names[i]);
        struct trainer_data data;
        trainer_data_open(plain, c->images, &data);
        tleg_trainer_options options = busy_options(c);
        tleg_trainer *whole = trainer_open(plain, c, &options), *later = trainer_open(plain, c, &options);
        const char *path = support_scratch("state.safetensors"), *const pairs[] = {"host.epoch", "3", "host.note", "so far"};
        steps(whole, &data.batch, 4);
        OK(plain, tleg_trainer_save(plain, whole, path, 2, pairs));
        steps(later, &data.batch, 1); /* what it did before is gone */
        OK_TRAINER(later, tleg_trainer_backward(later, &data.batch, NULL));
        OK(plain, tleg_trainer_load(plain, later, path));
        assert_true(same_state(whole, later));
        steps(whole, &data.batch, 4);
        steps(later, &data.batch, 4);
        assert_true(same_state(whole, later));
        assert_int_equal(tleg_trainer_steps(later), 8);
        tleg_file *file = NULL;
        OK(plain, tleg_file_open(plain, path, 0, &file));
        assert_string_equal(tleg_file_metadata(file, "host.epoch"), "3");
        assert_string_equal(tleg_file_metadata(file, "host.note"), "so far");
        assert_string_equal(tleg_file_metadata(file, "tleg.kind"), "trainer");
        tleg_file_free(file);
        trainer_data_close(&data);
        tleg_trainer_free(whole);
        tleg_trainer_free(later);
    }
}

/* A trainer with these options refuses the file, naming the word, and stays what it was. */
static void refuses(const char *path, const struct grad_case *c, const tleg_trainer_options *options, const char *word) {
    tleg_trainer *trainer = trainer_open(plain, c, options);
    struct flat before = trainer_values(plain, trainer, 0);
    tleg_status status = tleg_trainer_load(plain, trainer, path);
    if (status != TLEG_FORMAT) {
        fail_msg("another %s: %s", word, tleg_status_name(status));
    }
    says(tleg_context_error(plain), word);
    says(tleg_context_error(plain), path);
    struct flat after = trainer_values(plain, trainer, 0);
    assert_true(flat_same(&before, &after));
    assert_int_equal(tleg_trainer_steps(trainer), 0);
    free(before.values);
    free(after.values);
    tleg_trainer_free(trainer);
}

static void another_configuration_is_refused_by_its_word(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = busy_options(c), other;
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    steps(trainer, &data.batch, 2);
    char path[512];
    snprintf(path, sizeof path, "%s", support_scratch("state.safetensors"));
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
#define OTHER(member, value, word) other = options, other.member = value, refuses(path, c, &other, word)
    OTHER(depth_mode, TLEG_DEPTH_SANDWICH, "mode=3");
    OTHER(depth_least, 3, "least=3");
    OTHER(depth_most, 8, "most=8");
    OTHER(norm, TLEG_NORM_AFTER_POOL, "norm=2");
    OTHER(image_size, 28, "image=28");
    OTHER(alpha, 0.5, "alpha=0.5");
    OTHER(tau, 3, "tau=3");
    OTHER(smoothing, 0.2, "smoothing=0.2");
    OTHER(weight_decay, 0.1, "decay=0.1");
    OTHER(beta1, 0.8, "beta1=0.8");
    OTHER(beta2, 0.8, "beta2=0.8");
    OTHER(epsilon, 1e-6, "epsilon=1e-06");
    OTHER(clip, 2, "clip=2");
    OTHER(drop_path, 0.1, "drop_path=0.1");
    OTHER(ema, 0.5, "ema=0.5");
    OTHER(ema, 0, "ema=0");
    OTHER(seed, 6, "seed=6");
    OTHER(ranks, 2, "ranks=2");
    struct grad_case gene = *c;
    strcpy(gene.gene, "nobias");
    refuses(path, &gene, &options, "dim=12");
    gene = *c;
    gene.model = 1;
    other = busy_options(&gene);
    refuses(path, &gene, &other, "kind=model");
    options.batch = 2, options.checkpoint = 1; /* these compute the same */
    tleg_trainer *small = trainer_open(plain, c, &options);
    OK(plain, tleg_trainer_load(plain, small, path));
    tleg_trainer_free(small);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

static tleg_learngene *new_gene(const char *schedule, double eps) {
    tleg_config config = {.struct_size = sizeof config,
                          .image_size = 8,
                          .patch_size = 4,
                          .dim = 6,
                          .heads = 2,
                          .classes = TRAINER_CLASSES,
                          .schedule = schedule,
                          .eps = eps};
    tleg_learngene *gene = NULL;
    OK(plain, tleg_learngene_create(plain, &config, 1, &gene));
    return gene;
}

/* The same tensors under the same names, but used at other places or otherwise. */
static void another_schedule_and_another_eps_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *schedule;
        double eps;
        const char *word;
    } genes[] = {{"{\"qkv\":[[4,true],[2,true]]}", 1e-5, NULL},
                 {"{\"qkv\":[[3,true],[3,true]]}", 1e-5, "schedule"},
                 {"{\"qkv\":[[4,true],[2,true]]}", 1e-3, "eps=0.001"}};
    const char *path = support_scratch("state.safetensors");
    tleg_trainer_options options = {.struct_size = sizeof options, .batch = 1, .depth_least = 6};
    for (size_t i = 0; i < 3; i++) {
        tleg_learngene *gene = new_gene(genes[i].schedule, genes[i].eps);
        tleg_trainer *trainer = NULL;
        OK(plain, tleg_trainer_create(plain, gene, NULL, &options, &trainer));
        if (i == 0) {
            OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
        }
        tleg_status status = tleg_trainer_load(plain, trainer, path);
        assert_int_equal(status, i == 0 ? TLEG_OK : TLEG_FORMAT);
        if (i > 0) {
            says(tleg_context_error(plain), genes[i].word);
        }
        tleg_trainer_free(trainer);
        tleg_learngene_free(gene);
    }
}

static void write_file(const char *path, const unsigned char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static unsigned char *find_text(unsigned char *bytes, size_t size, const char *text) {
    for (size_t i = 0; i + strlen(text) <= size; i++) {
        if (memcmp(bytes + i, text, strlen(text)) == 0) {
            return bytes + i;
        }
    }
    fail_msg("the state does not hold %s", text);
    return NULL;
}

static void a_damaged_state_is_refused_and_changes_nothing(void **state) {
    (void)state;
    const struct grad_case *c = find("patch1-2");
    tleg_trainer_options options = busy_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    const char *path = support_scratch("whole.safetensors");
    OK(plain, tleg_trainer_save(plain, trainer, path, 0, NULL));
    static const struct {
        const char *text;
        char byte; /* written over the text's last but one */
    } damages[] = {{"\"moment2.norm.bias\"", 'x'}, {"tleg.trainer.steps\":\"0", '-'}, {"tleg.trainer.random\":\"00", 'g'},
                   {"\"tleg.trainer.random", 'x'}, {"\"tleg.trainer.setup", 'x'},     {"\"tleg.trainer.steps", 'x'},
                   {"\"average.pos_embed", 'x'},   {"\"kind=learngene", 'x'}};
    for (size_t i = 0; i <= sizeof damages / sizeof damages[0]; i++) {
        size_t size;
        unsigned char *bytes = support_read_file(path, &size);
        if (i == sizeof damages / sizeof damages[0]) {
            size--;
        } else if (i == 2) { /* the word itself depends on the seed */
            find_text(bytes, size, "tleg.trainer.random\":\"")[strlen("tleg.trainer.random\":\"") + 3] = (unsigned char)'g';
        } else if (i == 1) {
            find_text(bytes, size, damages[i].text)[strlen(damages[i].text) - 1] = (unsigned char)damages[i].byte;
        } else {
            find_text(bytes, size, damages[i].text)[strlen(damages[i].text) - 2] = (unsigned char)damages[i].byte;
        }
        const char *bad = support_scratch("bad.safetensors");
        write_file(bad, bytes, size);
        free(bytes);
        struct flat before = trainer_values(plain, trainer, 0);
        tleg_status status = tleg_trainer_load(plain, trainer, bad);
        if (status != TLEG_FORMAT) {
            fail_msg("damage %d: %s", (int)i, tleg_status_name(status));
        }
        says(tleg_context_error(plain), "bad.safetensors");
        struct flat after = trainer_values(plain, trainer, 0);
        assert_true(flat_same(&before, &after));
        free(before.values);
        free(after.values);
    }
    assert_int_equal(tleg_trainer_load(plain, trainer, support_path("mean", ".gene.safetensors")), TLEG_FORMAT);
    says(tleg_context_error(plain), "trainer");
    assert_int_equal(tleg_trainer_load(plain, trainer, "/nowhere/state"), TLEG_IO);
    assert_int_equal(tleg_trainer_save(plain, trainer, "/nowhere/state", 0, NULL), TLEG_IO);
    const char *const own[] = {"tleg.trainer.steps", "7"}, *const hole[] = {"host.epoch", NULL};
    assert_int_equal(tleg_trainer_save(plain, trainer, support_scratch("never"), 1, own), TLEG_ARGUMENT); /* ours */
    assert_int_equal(tleg_trainer_save(plain, trainer, support_scratch("never"), 1, hole), TLEG_ARGUMENT);
    tleg_trainer_free(trainer);
}

/* ---- numbers that are not finite ---- */

static tleg_status TLEG_CALL spoil(void *host, float *values, size_t count) {
    values[count / 2] = *(float *)host;
    return TLEG_OK;
}

static void a_loss_that_is_not_finite_names_step_and_part(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options), *calm = trainer_open(plain, c, &options);
    steps(trainer, &data.batch, 2);
    steps(calm, &data.batch, 2);
    struct flat before = trainer_values(plain, trainer, 0);
    float images[TRAINER_BATCH * 3 * 16 * 16], logits[TRAINER_BATCH * TRAINER_CLASSES];
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 6; i++) {
        tleg_batch batch = data.batch;
        memcpy(images, batch.images, sizeof images);
        memcpy(logits, batch.teacher_logits, sizeof logits);
        images[777] = i < 3 ? bad[i] : images[777];
        logits[7] = i < 3 ? logits[7] : bad[i - 3];
        batch.images = images;
        batch.teacher_logits = logits;
        tleg_status status = tleg_trainer_backward(trainer, &batch, NULL);
        if (i == 5) { /* minus infinity is a class that the teacher rules out: its probability is 0 */
            OK_TRAINER(trainer, status);
        } else {
            assert_int_equal(status, TLEG_NUMERIC);
            says(tleg_trainer_error(trainer), "step 3");
            says(tleg_trainer_error(trainer), i < 3 ? "labels" : "teacher");
        }
        tleg_trainer_forget(trainer);
    }
    struct flat after = trainer_values(plain, trainer, 0);
    assert_true(flat_same(&before, &after));
    steps(trainer, &data.batch, 2); /* and it goes on as if nothing had been */
    steps(calm, &data.batch, 2);
    struct flat a = trainer_values(plain, trainer, 0), b = trainer_values(plain, calm, 0);
    assert_true(flat_same(&a, &b));
    struct flat *all[] = {&before, &after, &a, &b};
    for (int i = 0; i < 4; i++) {
        free(all[i]->values);
    }
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
    tleg_trainer_free(calm);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        tleg_trainer_options options = trainer_options(c);
        options.all_reduce = spoil;
        options.all_reduce_host = &bad[i];
        options.ema = 0.9;
        options.clip = 1;
        tleg_trainer *trainer = trainer_open(plain, c, &options), *fresh = trainer_open(plain, c, &options);
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &data.batch, NULL));
        assert_int_equal(tleg_trainer_update(trainer, 0.01), TLEG_NUMERIC);
        says(tleg_trainer_error(trainer), "step 1");
        assert_true(same_state(trainer, fresh));
        tleg_trainer_free(trainer);
        tleg_trainer_free(fresh);
    }
    trainer_data_close(&data);
}

/* ---- memory ---- */

static tleg_context *counted(struct counter *counter, int32_t workers) {
    support_counter(counter);
    tleg_context_options options = support_counted(counter);
    options.workers = workers;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static void memory_is_said_exactly_and_no_step_allocates(void **state) {
    (void)state;
    for (int32_t i = 0; i < case_count; i++) {
        for (int variant = 0; variant < 3; variant++) {
            const struct grad_case *c = &cases[i];
            struct counter counter;
            tleg_context *context = counted(&counter, variant + 1);
            tleg_learngene *gene = c->model ? NULL : support_gene(context, c->gene);
            tleg_model *model = c->model ? trainer_model(context, c) : NULL;
            tleg_trainer_options options = variant ? busy_options(c) : trainer_options(c);
            options.checkpoint = variant == 2;
            uint64_t bytes = 0;
            OK(context, tleg_trainer_memory(context, gene, model, &options, &bytes));
            long long before = atomic_load(&counter.live_bytes);
            tleg_trainer *trainer = NULL;
            OK(context, tleg_trainer_create(context, gene, model, &options, &trainer));
            assert_int_equal(atomic_load(&counter.live_bytes) - before, bytes);
            tleg_learngene_free(gene); /* not needed any more */
            tleg_model_free(model);
            struct trainer_data data;
            trainer_data_open(context, c->images, &data);
            long long calls = atomic_load(&counter.calls);
            steps(trainer, &data.batch, 2);
            tleg_trainer_forget(trainer);
            assert_int_equal(atomic_load(&counter.calls), calls);
            trainer_data_close(&data);
            tleg_context_free(context);
            tleg_trainer_free(trainer);
            assert_int_equal(atomic_load(&counter.live), 0);
            assert_int_equal(atomic_load(&counter.wrong), 0);
        }
    }
}

static void checkpointing_needs_less_memory(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(plain, "mean");
    tleg_trainer_options options = {.struct_size = sizeof options, .batch = 8, .depth_least = 12};
    uint64_t whole = 0, less = 0;
    OK(plain, tleg_trainer_memory(plain, gene, NULL, &options, &whole));
    options.checkpoint = 1;
    OK(plain, tleg_trainer_memory(plain, gene, NULL, &options, &less));
    assert_true(less < whole / 2);
    options.batch = 1 << 20;
    options.depth_least = 1024;
    options.image_size = 4096; /* a size that no machine has: an answer or an error, no crash */
    tleg_status status = tleg_trainer_memory(plain, gene, NULL, &options, &whole);
    assert_true(status == TLEG_MEMORY || (status == TLEG_OK && whole > (uint64_t)1 << 45));
    tleg_trainer *trainer = NULL;
    assert_int_equal(tleg_trainer_create(plain, gene, NULL, &options, &trainer), TLEG_MEMORY);
    assert_null(trainer);
    tleg_learngene_free(gene);
}

struct life {
    tleg_trainer *trainer;
    tleg_learngene *gene;
    tleg_model *model;
    tleg_tensor *tensor;
};

static tleg_status live(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                        const tleg_trainer_options *options, struct life *life) {
    const char *path = support_scratch("life.safetensors"), *const pairs[] = {"a", "b"};
    tleg_status status;
    if ((status = tleg_trainer_create(context, gene, model, options, &life->trainer)) != 0 ||
        (status = tleg_trainer_save(context, life->trainer, path, 1, pairs)) != 0 ||
        (status = tleg_trainer_load(context, life->trainer, path)) != 0 ||
        (status = tleg_trainer_gradient(context, life->trainer, "head.weight", &life->tensor)) != 0) {
        return status;
    }
    return gene != NULL ? tleg_trainer_learngene(context, life->trainer, 1, &life->gene)
                        : tleg_trainer_model(context, life->trainer, 1, &life->model);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    static const char *const names[] = {"schedule-9", "cls-2-model"};
    for (int n = 0; n < 2; n++) {
        const struct grad_case *c = find(names[n]);
        struct counter counter;
        tleg_context *context = counted(&counter, 2);
        tleg_learngene *gene = c->model ? NULL : support_gene(context, c->gene);
        tleg_model *model = c->model ? trainer_model(context, c) : NULL;
        tleg_trainer_options options = busy_options(c);
        bool done = false;
        for (long long k = 1; !done; k++) {
            long long start = atomic_load(&counter.calls), left = atomic_load(&counter.live);
            atomic_store(&counter.fail_at, start + k);
            struct life life = {0};
            tleg_status status = live(context, gene, model, &options, &life);
            done = atomic_load(&counter.calls) < start + k;
            if (status != (done ? TLEG_OK : TLEG_MEMORY)) {
                fail_msg("%s: allocation %lld failed, and the status is %s: %s", c->name, k, tleg_status_name(status),
                         tleg_context_error(context));
            }
            assert_true(done || strlen(tleg_context_error(context)) > 0);
            tleg_trainer_free(life.trainer);
            tleg_learngene_free(life.gene);
            tleg_model_free(life.model);
            tleg_tensor_free(life.tensor);
            assert_int_equal(atomic_load(&counter.live), left);
        }
        tleg_learngene_free(gene);
        tleg_model_free(model);
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live), 0);
        assert_int_equal(atomic_load(&counter.wrong), 0);
    }
}

/* ---- results ---- */

static void what_was_not_trained_comes_back_as_it_was(void **state) {
    (void)state;
    static const char *const names[] = {"schedule-9", "dist-5", "combo-7-timm-image24", "shared-5"};
    for (size_t i = 0; i < 4; i++) {
        const struct grad_case *c = find(names[i]);
        tleg_trainer_options options = trainer_options(c);
        options.ema = 0.9;
        tleg_trainer *trainer = trainer_open(plain, c, &options);
        for (int32_t average = 0; average < 2; average++) {
            tleg_learngene *back = NULL;
            OK(plain, tleg_trainer_learngene(plain, trainer, average, &back));
            OK(plain, tleg_learngene_save(plain, back, support_scratch("back.safetensors")));
            size_t size[2];
            unsigned char *bytes[2] = {support_read_file(support_path(c->gene, ".gene.safetensors"), &size[0]),
                                       support_read_file(support_scratch("back.safetensors"), &size[1])};
            tleg_learngene *source = support_gene(plain, c->gene);
            OK(plain, tleg_learngene_save(plain, source, support_scratch("source.safetensors")));
            free(bytes[0]);
            bytes[0] = support_read_file(support_scratch("source.safetensors"), &size[0]);
            assert_int_equal(size[0], size[1]);
            assert_memory_equal(bytes[0], bytes[1], size[0]);
            free(bytes[0]);
            free(bytes[1]);
            tleg_learngene_free(source);
            tleg_learngene_free(back);
        }
        tleg_model *wrong = NULL;
        assert_int_equal(tleg_trainer_model(plain, trainer, 0, &wrong), TLEG_STATE);
        tleg_trainer_free(trainer);
    }
}

static void a_model_comes_back_as_it_was(void **state) {
    (void)state;
    const char *genes[] = {"dist", "nobias", "clsmean"};
    for (size_t i = 0; i < 3; i++) {
        struct grad_case c = {.images = 16, .depth = 3, .model = 1, .timm = i == 2};
        strcpy(c.gene, genes[i]);
        tleg_trainer_options options = trainer_options(&c);
        tleg_trainer *trainer = trainer_open(plain, &c, &options);
        tleg_model *source = trainer_model(plain, &c), *back = NULL;
        OK(plain, tleg_trainer_model(plain, trainer, 0, &back));
        OK(plain, tleg_model_save(plain, source, support_scratch("source.safetensors")));
        OK(plain, tleg_model_save(plain, back, support_scratch("back.safetensors")));
        size_t size[2];
        unsigned char *bytes[2] = {support_read_file(support_scratch("source.safetensors"), &size[0]),
                                   support_read_file(support_scratch("back.safetensors"), &size[1])};
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(bytes[0], bytes[1], size[0]);
        free(bytes[0]);
        free(bytes[1]);
        tleg_learngene *wrong = NULL;
        assert_int_equal(tleg_trainer_learngene(plain, trainer, 0, &wrong), TLEG_STATE);
        tleg_model *average = NULL;
        assert_int_equal(tleg_trainer_model(plain, trainer, 1, &average), TLEG_STATE);
        says(tleg_context_error(plain), "average");
        tleg_model_free(source);
        tleg_model_free(back);
        tleg_trainer_free(trainer);
    }
}

/* ---- stochastic depth ---- */

/* The model whose block 1 has its branches scaled: what a pass with dropped or kept branches computes. */
static tleg_model *scaled_model(const tleg_model *model, float attention, float mlp) {
    enum { MOST = 64 };
    const char *names[MOST], *path = support_scratch("scaled.safetensors");
    tleg_tensor *tensors[MOST];
    int64_t count = 0;
    OK(plain, tleg_model_save(plain, model, path));
    for (const char *name; (name = tleg_model_name(model, count)) != NULL; count++) {
        assert_in_range(count, 0, MOST - 1);
        names[count] = name;
        OK(plain, tleg_model_tensor(plain, model, name, &tensors[count]));
        tleg_tensor_info info = {.struct_size = sizeof info};
        OK(plain, tleg_tensor_get_info(tensors[count], &info));
        float scale = strncmp(name, "blocks.1.attn.proj.", 19) == 0 ? attention
                      : strncmp(name, "blocks.1.mlp.fc2.", 17) == 0 ? mlp
                                                                    : 1;
        for (size_t i = 0; i < info.bytes / sizeof(float); i++) {
            ((float *)info.data)[i] *= scale;
        }
    }
    static const char *const keys[] = {"tleg.kind", "tleg.heads", "tleg.patch_size", "tleg.image_size",
                                       "tleg.eps",  "tleg.norm",  "tleg.pool"};
    const char *pairs[2 * 7];
    int64_t pair_count = 0;
    tleg_file *file = NULL;
    OK(plain, tleg_file_open(plain, path, 0, &file));
    for (size_t i = 0; i < 7; i++) {
        const char *text = tleg_file_metadata(file, keys[i]);
        if (text != NULL) {
            pairs[2 * pair_count] = keys[i];
            pairs[2 * pair_count++ + 1] = text;
        }
    }
    OK(plain, tleg_file_save(plain, support_scratch("other.safetensors"), count, names, (const tleg_tensor *const *)tensors,
                             pair_count, pairs));
    tleg_file_free(file);
    for (int64_t i = 0; i < count; i++) {
        tleg_tensor_free(tensors[i]);
    }
    tleg_model *scaled = NULL;
    OK(plain, tleg_model_open(plain, support_scratch("other.safetensors"), 0, 0, &scaled));
    return scaled;
}

/* At depth 2 and rate 1/2 the first block is always there, and each branch of the second counts twice or not at all. */
static void a_dropped_branch_is_as_if_it_were_not_there(void **state) {
    (void)state;
    const struct grad_case *c = find("cls-2-model");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_batch batch = trainer_part(&data.batch, 16, 0, 1);
    tleg_model *model = trainer_model(plain, c);
    tleg_trainer_options options = trainer_options(c);
    struct flat wanted[4];
    double loss[4];
    for (int i = 0; i < 4; i++) {
        tleg_model *scaled = scaled_model(model, i & 1 ? 2.0F : 0.0F, i & 2 ? 2.0F : 0.0F);
        tleg_trainer *trainer = NULL;
        tleg_loss one = {.struct_size = sizeof one};
        OK(plain, tleg_trainer_create(plain, NULL, scaled, &options, &trainer));
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &one));
        loss[i] = one.total;
        wanted[i] = (struct flat){0};
        tleg_tensor *tensor = NULL;
        OK(plain, tleg_trainer_gradient(plain, trainer, "blocks.0.mlp.fc1.weight", &tensor));
        flat_add(&wanted[i], plain, tensor);
        tleg_trainer_free(trainer);
        tleg_model_free(scaled);
    }
    options.drop_path = 0.5;
    tleg_trainer *trainer = NULL;
    OK(plain, tleg_trainer_create(plain, NULL, model, &options, &trainer));
    int seen[4] = {0};
    for (int step = 0; step < 64; step++) {
        tleg_loss one = {.struct_size = sizeof one};
        OK_TRAINER(trainer, tleg_trainer_backward(trainer, &batch, &one));
        int which = 0;
        while (which < 4 && !(fabs(one.total - loss[which]) < 1e-6 * loss[which])) {
            which++;
        }
        assert_in_range(which, 0, 3);
        struct flat found = {0};
        tleg_tensor *tensor = NULL;
        OK(plain, tleg_trainer_gradient(plain, trainer, "blocks.0.mlp.fc1.weight", &tensor));
        flat_add(&found, plain, tensor);
        assert_true(flat_distance(&found, &wanted[which]) < 1e-5);
        free(found.values);
        seen[which]++;
        tleg_trainer_forget(trainer);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(seen[i] >= 4); /* 16 of 64 are expected */
        free(wanted[i].values);
    }
    tleg_trainer_free(trainer);
    tleg_model_free(model);
    trainer_data_close(&data);
}

/* ---- what is refused ---- */

static void options_are_refused_by_name(void **state) {
    (void)state;
    tleg_learngene *gene = support_gene(plain, "schedule"); /* its sites have 2 and 3 segments */
    struct grad_case c = {.gene = "mean", .images = 16, .depth = 2};
    tleg_model *model = trainer_model(plain, &c);
    const tleg_trainer_options good = {.struct_size = sizeof good, .batch = 2, .depth_least = 4};
    tleg_trainer_options o;
    tleg_trainer *trainer = (tleg_trainer *)&c;
    uint64_t bytes = 7;
#define BAD(change, word)                                                                                                      \
    o = good, change;                                                                                                          \
    assert_int_equal(tleg_trainer_create(plain, gene, NULL, &o, &trainer), TLEG_ARGUMENT);                                     \
    assert_null(trainer);                                                                                                      \
    says(tleg_context_error(plain), word);                                                                                     \
    assert_int_equal(tleg_trainer_memory(plain, gene, NULL, &o, &bytes), TLEG_ARGUMENT);                                       \
    assert_int_equal(bytes, 0)
    BAD(o.batch = 0, "batch");
    BAD(o.batch = -1, "batch");
    BAD(o.depth_mode = 4, "depth_mode");
    BAD(o.depth_least = 0, "depth_least");
    BAD(o.depth_least = 2, "depth_least"); /* below the number of segments */
    BAD(o.depth_least = 1025, "depth_least");
    BAD((o.depth_mode = TLEG_DEPTH_RANDOM, o.depth_most = 3), "depth_most");
    BAD((o.depth_mode = TLEG_DEPTH_SANDWICH, o.depth_most = 1025), "depth_most");
    BAD(o.image_size = 15, "image");
    BAD(o.norm = 3, "norm");
    BAD(o.alpha = -0.1, "alpha");
    BAD(o.alpha = NAN, "alpha");
    BAD(o.smoothing = 1.5, "smoothing");
    BAD(o.tau = -1, "tau");
    BAD(o.epsilon = -1, "epsilon");
    BAD(o.beta1 = 1, "beta1");
    BAD(o.beta2 = -0.5, "beta2");
    BAD(o.clip = -1, "clip");
    BAD(o.clip = INFINITY, "clip");
    BAD(o.weight_decay = NAN, "weight_decay");
    BAD(o.drop_path = 1, "drop_path");
    BAD(o.ema = 1, "ema");
    BAD(o.ranks = -1, "ranks");
    BAD(o.checkpoint = 2, "checkpoint");
    assert_int_equal(tleg_trainer_create(plain, gene, model, &good, &trainer), TLEG_ARGUMENT);
    assert_int_equal(tleg_trainer_create(plain, NULL, NULL, &good, &trainer), TLEG_ARGUMENT);
    o = good;
    assert_int_equal(tleg_trainer_create(plain, NULL, model, &o, &trainer), TLEG_ARGUMENT); /* depth 4 of 2 */
    says(tleg_context_error(plain), "depth 2");
    tleg_learngene_free(gene);
    tleg_model_free(model);
}

static void batches_are_refused_with_what_was_expected(void **state) {
    (void)state;
    const struct grad_case *c = find("mean-4");
    struct trainer_data data;
    trainer_data_open(plain, c->images, &data);
    tleg_trainer_options options = trainer_options(c);
    tleg_trainer *trainer = trainer_open(plain, c, &options);
    int64_t labels[TRAINER_BATCH] = {0, 1, 2, 3, TRAINER_CLASSES};
    tleg_batch b;
    tleg_loss loss = {.struct_size = sizeof loss};
#define BAD_BATCH(change, word)                                                                                                \
    b = data.batch, change;                                                                                                    \
    assert_int_equal(tleg_trainer_backward(trainer, &b, &loss), TLEG_ARGUMENT);                                                \
    says(tleg_trainer_error(trainer), word)
    BAD_BATCH(b.size = 0, "expected 1 to 5");
    BAD_BATCH(b.size = TRAINER_BATCH + 1, "6 images");
    BAD_BATCH(b.images = NULL, "pixels");
    BAD_BATCH(b.labels = NULL, "labels");
    BAD_BATCH(b.teacher_logits = NULL, "teacher");
    BAD_BATCH(b.labels = labels, "label 5 of image 4");
    BAD_BATCH((labels[4] = -1, b.labels = labels), "label -1 of image 4");
    BAD_BATCH(b.share = -1, "share");
    BAD_BATCH(b.share = NAN, "share");
    BAD_BATCH(b.struct_size = 0, "struct_size");
    BAD_BATCH((b = data.batch, loss.struct_size = 0), "tleg_loss");
    struct flat gradient = trainer_gradients(plain, trainer);
    for (size_t i = 0; i < gradient.count; i++) { /* none of these calls added anything */
        assert_true(gradient.values[i] == 0);
    }
    free(gradient.values);
    static const double rates[] = {-1, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tleg_trainer_update(trainer, rates[i]), TLEG_ARGUMENT);
        says(tleg_trainer_error(trainer), "rate");
    }
    tleg_tensor *tensor = (tleg_tensor *)&b;
    assert_int_equal(tleg_trainer_gradient(plain, trainer, "nowhere.weight", &tensor), TLEG_ARGUMENT);
    assert_null(tensor);
    says(tleg_context_error(plain), "nowhere.weight");
    assert_null(tleg_trainer_name(trainer, -1));
    struct {
        tleg_batch known;
        unsigned char tail[8];
    } later = {.known = data.batch};
    later.known.struct_size = sizeof later;
    OK_TRAINER(trainer, tleg_trainer_backward(trainer, &later.known, NULL));
    later.tail[7] = 1;
    assert_int_equal(tleg_trainer_backward(trainer, &later.known, NULL), TLEG_UNSUPPORTED);
    trainer_data_close(&data);
    tleg_trainer_free(trainer);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_trainer_goes_on_bit_for_bit),
        cmocka_unit_test(another_configuration_is_refused_by_its_word),
        cmocka_unit_test(another_schedule_and_another_eps_are_refused),
        cmocka_unit_test(a_damaged_state_is_refused_and_changes_nothing),
        cmocka_unit_test(a_loss_that_is_not_finite_names_step_and_part),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(memory_is_said_exactly_and_no_step_allocates),
        cmocka_unit_test(checkpointing_needs_less_memory),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(what_was_not_trained_comes_back_as_it_was),
        cmocka_unit_test(a_model_comes_back_as_it_was),
        cmocka_unit_test(a_dropped_branch_is_as_if_it_were_not_there),
        cmocka_unit_test(options_are_refused_by_name),
        cmocka_unit_test(batches_are_refused_with_what_was_expected),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
