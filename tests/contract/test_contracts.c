/* The promises that every public function makes: option structs of other versions; any order of freeing; texts that name
 * things. */
#include "support/live_handles.h"

static void a_block_needs_every_tensor_but_the_qkv_bias(void **state) {
    (void)state;
    tleg_block_options options = block_options();
    REFUSED_OUT(tleg_block, b, tleg_block_create(NULL, &options, &b));
    REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, NULL, &b));
    REFUSED(tleg_block_create(my.context, &options, NULL));
    const tleg_tensor **needed[] = {&options.norm1_weight, &options.norm1_bias,   &options.qkv_weight, &options.proj_weight,
                                    &options.proj_bias,    &options.norm2_weight, &options.norm2_bias, &options.fc1_weight,
                                    &options.fc1_bias,     &options.fc2_weight,   &options.fc2_bias};
    static const char *const names[] = {"norm1", "norm1", "qkv", "proj", "proj", "norm2", "norm2", "fc1", "fc1", "fc2", "fc2"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        const tleg_tensor *kept = *needed[i];
        *needed[i] = NULL;
        REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, &options, &b));
        SAYS(names[i]);
        *needed[i] = my.tokens; /* and the right shape */
        REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, &options, &b));
        SAYS(names[i]);
        *needed[i] = kept;
    }
    options.qkv_bias = NULL;
    tleg_block *block = NULL;
    OK(my.context, tleg_block_create(my.context, &options, &block));
    tleg_block_free(block);
    options.heads = 3;
    REFUSED_OUT(tleg_block, b, tleg_block_create(my.context, &options, &b));
}

static void free_of_null_does_nothing(void **state) {
    (void)state;
    tleg_context_free(NULL);
    tleg_tensor_free(NULL);
    tleg_file_free(NULL);
    tleg_learngene_free(NULL);
    tleg_expander_free(NULL);
    tleg_model_free(NULL);
    tleg_session_free(NULL);
    tleg_block_free(NULL);
    tleg_trainer_free(NULL);
}

/* ---- option structs of other versions ---- */

/* A host built with a later header: the struct is longer, and its tail zero or not. */
enum { TAIL = 24 };
#define LONGER(type)                                                                                                           \
    struct {                                                                                                                   \
        type known;                                                                                                            \
        unsigned char tail[TAIL];                                                                                              \
    }

static void longer_option_structs_are_taken_when_their_tail_is_zero(void **state) {
    (void)state;
    LONGER(tleg_context_options) context = {.known = {.struct_size = sizeof context}};
    LONGER(tleg_expander_options) expander = {.known = {.struct_size = sizeof expander}};
    LONGER(tleg_session_options) session = {.known = {.struct_size = sizeof session}};
    LONGER(tleg_budget) budget = {.known = {.struct_size = sizeof budget, .bytes = 1 << 28}};
    LONGER(tleg_block_options) block = {.known = block_options()};
    LONGER(tleg_config)
    config = {.known = {.struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 4, .heads = 1, .classes = 2}};
    LONGER(tleg_block_gradients) gradients = {.known = {.struct_size = sizeof gradients}};
    LONGER(tleg_trainer_options)
    trainer = {.known = {.struct_size = sizeof trainer, .batch = 1, .depth_least = 2}};
    LONGER(tleg_train_rate) rate = {.known = {.struct_size = sizeof rate, .epochs = 10, .peak = 1}};
    uint64_t bytes = 0;
    OK(my.context, tleg_block_get_backward_memory(my.context, my.block, 1, 2, &bytes));
    void *workspace = malloc((size_t)bytes);
    assert_non_null(workspace);
    block.known.struct_size = sizeof block;
    for (int round = 0; round < 2; round++) {
        tleg_status wanted = round == 0 ? TLEG_OK : TLEG_ERROR_UNSUPPORTED;
        unsigned char *tails[] = {context.tail, expander.tail,  session.tail, budget.tail, block.tail,
                                  config.tail,  gradients.tail, trainer.tail, rate.tail};
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
            tails[i][TAIL - 1] = (unsigned char)round;
        }
        tleg_context *c = NULL;
        tleg_expander *e = NULL;
        tleg_session *s = NULL;
        tleg_block *b = NULL;
        tleg_learngene *g = NULL;
        int32_t depth = 0;
        assert_int_equal(tleg_context_create(&context.known, &c), wanted);
        assert_int_equal(tleg_expander_create(my.context, my.gene, &expander.known, &e), wanted);
        assert_int_equal(tleg_session_create(my.context, my.model, &session.known, &s), wanted);
        assert_int_equal(tleg_expander_get_deepest(my.context, my.expander, &budget.known, &depth), wanted);
        assert_int_equal(tleg_block_create(my.context, &block.known, &b), wanted);
        assert_int_equal(tleg_learngene_create(my.context, &config.known, 1, &g), wanted);
        tleg_trainer *t = NULL;
        double found;
        assert_int_equal(
            tleg_block_backward(my.context, my.block, my.tokens, my.tokens, NULL, &gradients.known, workspace, bytes), wanted);
        assert_int_equal(tleg_trainer_create(my.context, my.gene, &trainer.known, &t), wanted);
        assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate.known, 3, &found), wanted);
        tleg_trainer_free(t);
        tleg_context_free(c);
        tleg_expander_free(e);
        tleg_session_free(s);
        tleg_block_free(b);
        tleg_learngene_free(g);
    }
    free(workspace);
}

/* A size that no version had: forgotten, not set at all, shorter than the first version's, or ending inside a member. */
static void sizes_that_no_version_had_are_refused(void **state) {
    (void)state;
    tleg_context_options options;
    tleg_expander_options expander;
    tleg_tensor_info info;
    memset(&options, 0, sizeof options);
    memset(&expander, 0, sizeof expander);
    memset(&info, 0, sizeof info);
    const int32_t off[] = {INT32_MIN, -8, -4, 4, 1};
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        const uint32_t by = off[i] == INT32_MIN ? 0 : (uint32_t)off[i];
        options.struct_size =
            by ? (uint32_t)offsetof(tleg_context_options, sgemm) + by : 0; /* which it did not have at first */
        REFUSED_OUT(tleg_context, x, tleg_context_create(&options, &x));
        expander.struct_size = by ? (uint32_t)offsetof(tleg_expander_options, image_width) + by : 0; /* likewise */
        REFUSED_OUT(tleg_expander, x, tleg_expander_create(my.context, my.gene, &expander, &x));
        SAYS("tleg_expander_options: struct_size");
        info.struct_size = by ? (uint32_t)sizeof info + by : 0;
        REFUSED(tleg_tensor_get_info(my.context, my.vector, &info));
        SAYS("tleg_tensor_info: struct_size");
    }
    memset(&options, 0x5a, sizeof options);
    REFUSED_OUT(tleg_context, x, tleg_context_create(&options, &x));
}

/* What the library fills, it fills up to the host's size, and zero beyond what it knows. */
static void filled_structs_keep_to_the_hosts_size(void **state) {
    (void)state;
    tleg_config full = {.struct_size = sizeof full};
    OK(my.context, tleg_learngene_get_info(my.context, my.gene, &full));
    union {
        tleg_config config;
        unsigned char bytes[sizeof(tleg_config) + 2 * TAIL];
    } long_one;
    memset(&long_one, 0x5a, sizeof long_one);
    long_one.config.struct_size = sizeof(tleg_config) + TAIL;
    OK(my.context, tleg_learngene_get_info(my.context, my.gene, &long_one.config));
    assert_int_equal(long_one.config.dim, 24);
    assert_int_equal(long_one.config.parameters, full.parameters);
    assert_int_equal(long_one.config.kind, TLEG_KIND_VIT);
    assert_int_equal(long_one.config.channels, 3);
    for (size_t i = 0; i < TAIL; i++) {
        assert_int_equal(long_one.bytes[sizeof(tleg_config) + i], 0);
        assert_int_equal(long_one.bytes[sizeof(tleg_config) + TAIL + i], 0x5a);
    }

    tleg_config none = {0};
    REFUSED(tleg_learngene_get_info(my.context, my.gene, &none));
    SAYS("tleg_config: struct_size is 0");
    REFUSED(tleg_model_get_info(my.context, my.model, &none));
    tleg_tensor_info info = {0};
    REFUSED(tleg_tensor_get_info(my.context, my.vector, &info));
    SAYS("tleg_tensor_info: struct_size is 0");
    REFUSED(tleg_tensor_get_info(NULL, my.vector, &info)); /* without a context there is no text */
    tleg_cost cost = {0};
    REFUSED(tleg_expander_get_cost(my.context, my.expander, 0, 1, 0, &cost));
    tleg_best best = {0};
    const tleg_budget budget = {.struct_size = sizeof budget};
    REFUSED(tleg_expander_get_best(my.context, my.expander, &budget, &best));
    SAYS("tleg_best: struct_size is 0");
}

/* get_info, then a member changed, then create: as hosts do it. */
static void what_a_genes_get_info_filled_serves_as_input(void **state) {
    (void)state;
    tleg_config config = {.struct_size = sizeof config}, found = {.struct_size = sizeof found};
    tleg_learngene *gene = NULL;
    OK(my.context, tleg_learngene_get_info(my.context, my.gene, &config));
    config.classes++;
    config.label_count = 0;
    OK(my.context, tleg_learngene_create(my.context, &config, 1, &gene));
    OK(my.context, tleg_learngene_get_info(my.context, gene, &found));
    assert_int_equal(found.classes, config.classes);
    assert_int_equal(found.parameters, config.parameters + 24 + 1); /* one more row of the head, dim 24, and its bias */
    assert_int_equal(found.ignored_count, 0);
    tleg_learngene_free(gene);
}

/* What has no meaning yet is held to 0, so that it may get one. */
static void members_without_a_meaning_are_refused(void **state) {
    (void)state;
    const tleg_config good = {.struct_size = sizeof good, .image_size = 8, .patch_size = 4, .dim = 4, .heads = 1, .classes = 2};
    tleg_config bad[] = {good, good, good, good, good};
    bad[0].dtype = TLEG_BF16;
    bad[1].depth = 3;
    bad[2].reserved = &good;
    bad[3].kind = 3;
    bad[4].channels = 4;
    static const char *const names[] = {"dtype", "depth", "reserved", "kind", "channels"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tleg_learngene *gene = (tleg_learngene *)&my;
        assert_int_equal(tleg_learngene_create(my.context, &bad[i], 1, &gene),
                         i < 2 ? TLEG_ERROR_ARGUMENT : TLEG_ERROR_UNSUPPORTED);
        assert_null(gene);
        SAYS(names[i]);
    }
    tleg_block_gradients gradients = {.struct_size = sizeof gradients, .reserved = 0x5a5a5a5a};
    uint64_t bytes = 0;
    OK(my.context, tleg_block_get_backward_memory(my.context, my.block, 1, 2, &bytes));
    void *workspace = malloc((size_t)bytes);
    assert_non_null(workspace);
    assert_int_equal(tleg_block_backward(my.context, my.block, my.tokens, my.tokens, NULL, &gradients, workspace, bytes),
                     TLEG_ERROR_UNSUPPORTED);
    SAYS("reserved");
    free(workspace);
    tleg_train_rate rate = {.struct_size = sizeof rate, .epochs = 10, .peak = 1, .curve = -1};
    double found;
    assert_int_equal(tleg_train_rate_of_epoch(NULL, &rate, 1, &found), TLEG_ERROR_UNSUPPORTED);
}

/* ---- orders of freeing ---- */

/* Four handles, each of which depends on the one before, and the context, in all 120 orders. */
static void handles_are_freed_in_any_order(void **state) {
    (void)state;
    for (int order = 0; order < 120; order++) {
        struct counter counter;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        tleg_context *context = NULL;
        tleg_learngene *gene = NULL;
        tleg_expander *expander = NULL;
        tleg_model *model = NULL;
        tleg_session *session = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        OK(context, tleg_learngene_parse(context, my.bytes, my.size, NULL, &gene));
        OK(context, tleg_expander_create(context, gene, NULL, &expander));
        OK(context, tleg_expander_expand(context, expander, 2, &model));
        OK(context, tleg_session_create(context, model, NULL, &session));
        int left[] = {0, 1, 2, 3, 4}, rest = order;
        for (int n = 5; n > 0; n--) {
            int which = rest % n;
            rest /= n;
            switch (left[which]) {
            case 0:
                tleg_context_free(context);
                break;
            case 1:
                tleg_learngene_free(gene);
                break;
            case 2:
                tleg_expander_free(expander);
                break;
            case 3:
                tleg_model_free(model);
                break;
            default:
                tleg_session_free(session);
                session = NULL;
            }
            left[which] = left[n - 1];
            if (session != NULL) { /* it works to the last */
                OK_SESSION(session, support_run(session, my.images, 1, my.logits, NULL));
            }
        }
        assert_int_equal(atomic_load(&counter.live), 0);
        assert_int_equal(atomic_load(&counter.wrong), 0);
    }
}

/* ---- values out of range, and texts that name what is wrong ---- */

static void texts_name_file_tensor_and_key(void **state) {
    (void)state;
    tleg_learngene *gene = NULL;
    tleg_model *model = NULL;
    tleg_tensor *tensor = NULL;
    assert_int_equal(tleg_learngene_open(my.context, "/nowhere/gene.safetensors", NULL, &gene), TLEG_ERROR_NOT_FOUND);
    SAYS("/nowhere/gene.safetensors");
    assert_int_equal(tleg_model_open(my.context, support_path("mean", ".gene.safetensors"), NULL, &model), TLEG_ERROR_FORMAT);
    SAYS("mean.gene.safetensors");
    SAYS("learngene");
    OK(my.context, tleg_model_save(my.context, my.model, support_scratch("model.safetensors"), NULL));
    assert_int_equal(tleg_learngene_open(my.context, support_scratch("model.safetensors"), NULL, &gene), TLEG_ERROR_FORMAT);
    SAYS("model.safetensors");
    assert_int_equal(tleg_learngene_copy_tensor(my.context, my.gene, "nowhere.weight", &tensor), TLEG_ERROR_NOT_FOUND);
    SAYS("nowhere.weight");
    assert_int_equal(tleg_model_copy_tensor(my.context, my.model, "blocks.2.norm1.weight", &tensor), TLEG_ERROR_NOT_FOUND);
    SAYS("blocks.2.norm1.weight");
    assert_int_equal(tleg_file_read_tensor(my.context, my.file, "image", &tensor), TLEG_ERROR_NOT_FOUND);
    SAYS("images"); /* the likeliest */
    assert_int_equal(tleg_learngene_open(my.context, support_path("mean", ".gene.safetensors"), OPEN_WITH(0, 4), &gene),
                     TLEG_ERROR_ARGUMENT);
    SAYS("heads");
    assert_int_equal(tleg_learngene_save(my.context, my.gene, "/nowhere/out.safetensors", NULL), TLEG_ERROR_NOT_FOUND);
    SAYS("/nowhere/out.safetensors");
    assert_int_equal(tleg_learngene_parse(my.context, my.bytes, my.size - 1, NULL, &gene), TLEG_ERROR_FORMAT);
    assert_true(strlen(tleg_context_get_error(my.context)) > 0);
}

static void values_out_of_range_are_refused(void **state) {
    (void)state;
    tleg_model *model = NULL;
    tleg_session *session = NULL;
    static const int32_t depths[] = {0, -1, 1025, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        char text[16];
        REFUSED(tleg_expander_expand(my.context, my.expander, depths[i], &model));
        SAYS("depth");
        snprintf(text, sizeof text, "%d", depths[i]);
        SAYS(text); /* what was found */
        REFUSED(tleg_session_create_elastic(my.context, my.expander, depths[i], NULL, &session));
    }
    tleg_session_options options = {.struct_size = sizeof options, .batch = -1};
    REFUSED(tleg_session_create(my.context, my.model, &options, &session));
    SAYS("batch");
    tleg_expander_options bad[] = {{.dtype = TLEG_I64}, {.dtype = 99},       {.norm = 3},
                                   {.image_size = 15},  {.image_size = -16}, {.classes = -1}};
    static const char *const names[] = {"dtype", "dtype", "norm", "image", "image", "classes"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tleg_expander *expander = (tleg_expander *)&my;
        bad[i].struct_size = sizeof bad[i];
        REFUSED(tleg_expander_create(my.context, my.gene, &bad[i], &expander));
        assert_null(expander);
        SAYS(names[i]);
    }
    tleg_context_options contexts[] = {{.workers = -1}, {.workers = 257}};
    for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++) {
        contexts[i].struct_size = sizeof contexts[i];
        REFUSED_OUT(tleg_context, c, tleg_context_create(&contexts[i], &c));
    }
    tleg_context_options levels[] = {{.level = 99}, {.gemm = 99}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        tleg_context *c = (tleg_context *)&my;
        levels[i].struct_size = sizeof levels[i];
        tleg_status status = tleg_context_create(&levels[i], &c);
        assert_true(status == TLEG_ERROR_UNSUPPORTED || status == TLEG_ERROR_ARGUMENT);
        assert_null(c);
    }
    tleg_file *file = NULL;
    tleg_status status = tleg_file_open(my.context, support_path("images-4", ".safetensors"), OPEN_WITH(1u << 31, 0), &file);
    assert_true(status == TLEG_ERROR_ARGUMENT || status == TLEG_ERROR_UNSUPPORTED); /* a flag that is not known */
    assert_null(file);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_needs_every_tensor_but_the_qkv_bias),
        cmocka_unit_test(free_of_null_does_nothing),
        cmocka_unit_test(longer_option_structs_are_taken_when_their_tail_is_zero),
        cmocka_unit_test(sizes_that_no_version_had_are_refused),
        cmocka_unit_test(filled_structs_keep_to_the_hosts_size),
        cmocka_unit_test(what_a_genes_get_info_filled_serves_as_input),
        cmocka_unit_test(members_without_a_meaning_are_refused),
        cmocka_unit_test(handles_are_freed_in_any_order),
        cmocka_unit_test(texts_name_file_tensor_and_key),
        cmocka_unit_test(values_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
