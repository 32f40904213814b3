/* What a host's configuration is taken to be, what is refused and in which words; metadata, names and shapes that follow. */
#include "config/schedule.h"
#include "support/support.h"
#include "vit/read/read.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static tleg_context *context;

static int setup(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context);
}

static int teardown(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

/* ---- helpers ---- */

static void must_say(const char *text, const char *const says[3]) {
    for (int k = 0; k < 3; k++)
        if (says[k] && !strstr(text, says[k])) {
            print_error("expected \"%s\" in: %s\n", says[k], text);
            fail();
        }
}

static tleg_config small(void) {
    return (tleg_config){
        .struct_size = sizeof(tleg_config), .image_size = 32, .patch_size = 4, .dim = 24, .heads = 3, .classes = 2};
}

/* ---- a host's configuration ---- */

static void defaults_are_filled_in(void **state) {
    (void)state;
    tleg_config host = small();
    struct tleg_vit_config config;
    OK(context, tleg_config_check(context, &host, &config));
    assert_int_equal(config.c.hidden, 96);
    assert_int_equal(config.c.pool, TLEG_POOL_MEAN);
    assert_int_equal(config.c.norm, TLEG_NORM_BEFORE_POOL);
    assert_int_equal(config.c.dtype, TLEG_F32);
    assert_true(config.c.eps == 1e-5);
    assert_true(config.c.crop == 1.0);
    assert_true(config.c.mean[0] == 0.485 && config.c.mean[1] == 0.456 && config.c.mean[2] == 0.406);
    assert_true(config.c.std[0] == 0.229 && config.c.std[1] == 0.224 && config.c.std[2] == 0.225);
    assert_string_equal(config.c.schedule, "");
    assert_null(config.c.labels);
    assert_null(config.c.ignored);
    tleg_config_free(&config);

    host.image_size = 36; /* above 32 pixels the authors crop */
    host.class_token = 1;
    host.std[0] = host.std[1] = host.std[2] = 0.5; /* with a std, a mean of 0 is meant */
    OK(context, tleg_config_check(context, &host, &config));
    assert_true(config.c.crop == 0.875);
    assert_int_equal(config.c.pool, TLEG_POOL_CLS);
    assert_true(config.c.mean[0] == 0 && config.c.mean[2] == 0 && config.c.std[1] == 0.5);
    tleg_config_free(&config);
}

static void texts_are_the_librarys_own(void **state) {
    (void)state;
    char one[] = "katze", two[] = "\xd0\xba\xd0\xbe\xd1\x82",
         schedule[] = " {\"fc1\": [[2, true]], \"qkv\":[[1,false],[1,true]]}";
    const char *labels[] = {one, two};
    tleg_config host = small();
    host.labels = labels;
    host.label_count = 2;
    host.schedule = schedule;
    struct tleg_vit_config config, copy;
    OK(context, tleg_config_check(context, &host, &config));
    memset(one, 'x', sizeof one - 1);
    memset(two, 'x', sizeof two - 1);
    memset(schedule, 'x', sizeof schedule - 1);
    OK(context, tleg_config_copy(context, &config, &copy));
    tleg_config_free(&config);
    assert_int_equal(copy.c.label_count, 2);
    assert_string_equal(copy.c.labels[0], "katze");
    assert_string_equal(copy.c.labels[1], "\xd0\xba\xd0\xbe\xd1\x82");
    assert_string_equal(copy.c.schedule, "{\"qkv\":[[1,false],[1,true]],\"fc1\":[[2,true]]}");
    tleg_config_free(&copy);
    tleg_config_free(&copy); /* zeroed is allowed */
}

static void refuse_host(tleg_config host, const char *member, const char *found) {
    static const struct tleg_vit_config empty;
    struct tleg_vit_config config;
    assert_int_equal(tleg_config_check(context, &host, &config), TLEG_ERROR_ARGUMENT);
    must_say(tleg_context_get_error(context), (const char *const[3]){member, "expected", found});
    assert_memory_equal(&config, &empty, sizeof config);
}

static void what_the_parts_of_other_families_may_be(void **state) {
    (void)state;
    tleg_config host = small();
    struct tleg_vit_config config;
    host.class_token = 1;
    host.registers = 4;
    host.unplaced = 5;
    host.layer_scale = host.norm_before = host.no_patch_bias = host.no_head_bias = 1;
    host.channels = 1;
    host.mean[0] = 0.1307; /* of one channel the first alone count */
    host.std[0] = 0.3081;
    OK(context, tleg_config_check(context, &host, &config));
    assert_true(config.c.mean[0] == 0.1307 && config.c.mean[2] == 0.1307 && config.c.std[1] == 0.3081);
    assert_int_equal(config.c.mlp, TLEG_MLP_GELU);
    tleg_config_free(&config);
    host.unplaced = 6;
    refuse_host(host, "unplaced", "found 6");
    host.unplaced = 0;
    host.mlp = 6;
    refuse_host(host, "mlp", "found 6");
    host.mlp = TLEG_MLP_RELU;
    host.layer_scale = 2;
    refuse_host(host, "layer_scale", "found 2");
    host.layer_scale = 0;
    host.registers = 1025;
    refuse_host(host, "registers", "found 1025");
}

static void each_member_out_of_range_is_named(void **state) {
    (void)state;
#define REFUSE(change, member, found)                                                                                          \
    do {                                                                                                                       \
        tleg_config c = small();                                                                                               \
        change;                                                                                                                \
        refuse_host(c, member, found);                                                                                         \
    } while (0)
    REFUSE(c.image_size = 0, "image_size", "0");
    REFUSE(c.image_size = -32, "image_size", "-32");
    REFUSE(c.image_size = 30, "image_size", "multiple of the patch, 4, found 30");
    REFUSE(c.image_size = 16388, "image_size", "16388");
    REFUSE(c.patch_size = 0, "patch_size", "0");
    REFUSE((c.image_size = 2048, c.patch_size = 1), "image_size", "2048");
    REFUSE(c.representation = -1, "representation", "-1");
    REFUSE((c.representation = 8, c.class_token = c.distillation_token = 1), "representation", "distillation token, found 8");
    REFUSE((c.representation = 8, c.kind = TLEG_KIND_DIT), "representation", "TLEG_KIND_DIT, found 8");
    REFUSE(c.image_width = -4, "image_width", "-4");
    REFUSE(c.image_width = 30, "image_width", "multiple of the patch, 4, found 30");
    REFUSE(c.patch_width = 5, "image_size", "multiple of the patch, 5, found 32");
    REFUSE((c.image_width = 16384, c.patch_width = 8), "image_width", "1024 patches a side, found 2048");
    REFUSE(c.dim = 0, "dim", "0");
    REFUSE(c.dim = 65537, "dim", "65537");
    REFUSE(c.dim = INT32_MAX, "dim", "2147483647");
    REFUSE(c.heads = 0, "heads", "0");
    REFUSE(c.heads = 5, "heads", "divisor of the dim, 24, found 5");
    REFUSE(c.heads = -3, "heads", "-3");
    REFUSE(c.attention_dim = -1, "attention_dim", "-1");
    REFUSE((c.attention_dim = 20, c.heads = 3), "heads", "divisor of the attention_dim, 20, found 3");
    REFUSE((c.attention_dim = 9, c.heads = 3, c.rotary = TLEG_ROTARY_INDEX), "heads", "multiple of 4");
    REFUSE((c.attention_dim = 12, c.kind = TLEG_KIND_DIT), "attention_dim", "TLEG_KIND_DIT, found 12");
    REFUSE(c.hidden = -1, "hidden", "-1");
    REFUSE(c.hidden = 262145, "hidden", "262145");
    REFUSE(c.classes = 0, "classes", "0");
    REFUSE(c.classes = 1048577, "classes", "1048577");
    REFUSE(c.depth = -1, "depth", "-1");
    REFUSE(c.depth = 1025, "depth", "1025");
    REFUSE(c.class_token = 2, "class_token", "2");
    REFUSE(c.distillation_token = -1, "distillation_token", "-1");
    REFUSE(c.distillation_token = 1, "distillation_token", "without a class token");
    REFUSE(c.registers = -1, "registers", "-1");
    REFUSE(c.pool = 9, "pool", "9");
    REFUSE(c.norm = 3, "norm", "3");
    REFUSE(c.no_qkv_bias = 2, "no_qkv_bias", "2");
    REFUSE(c.eps = -1e-5, "eps", "-1e-05");
    REFUSE(c.eps = NAN, "eps", "finite");
    REFUSE(c.interpolation = 4, "interpolation", "1 to 3, found 4");
    REFUSE(c.fit = -1, "fit", "1 to 4, found -1");
    REFUSE(c.crop = 1.5, "crop", "1.5");
    REFUSE(c.crop = -0.5, "crop", "-0.5");
    REFUSE((c.std[0] = 1, c.std[1] = 1), "std", "0.0");
    REFUSE((c.std[0] = c.std[1] = c.std[2] = 1, c.mean[1] = INFINITY), "mean", "finite");
    REFUSE((c.std[0] = c.std[1] = c.std[2] = 1, c.mean[1] = 2e30), "mean", "2e+30");
    REFUSE((c.std[0] = c.std[1] = 1, c.std[2] = 2e30), "std", "2e+30");
    REFUSE(c.no_positions = 1, "no_positions", "without rotary positions, found 1");
    REFUSE((c.rotary = TLEG_ROTARY_INDEX, c.rotary_base = 1e13), "rotary_base", "at most 1e12, found 10000000000000.0");
    REFUSE(c.pool_heads = 5, "pool_heads", "divisor of the dim, 24, found 5");
    REFUSE((c.pool = TLEG_POOL_ATTENTION, c.pool_heads = 5), "pool_heads", "divisor of the dim, 24, found 5");
    REFUSE((c.pool = TLEG_POOL_ATTENTION, c.attention_dim = 40, c.heads = 5), "pool_heads", "divisor of the dim, 24, found 5");
    REFUSE(c.label_count = 1, "label_count", "1");
    REFUSE(c.label_count = -1, "label_count", "-1");
    REFUSE(c.label_count = 2, "labels", "NULL");
    REFUSE((c.label_count = 2, c.labels = (const char *const[]){"a", NULL}), "labels[1]", "NULL");
    REFUSE((c.label_count = 2, c.labels = (const char *const[]){"\xc3\x28", "a"}), "labels[0]", "UTF-8");
#undef REFUSE
    tleg_config c = small();
    struct tleg_vit_config config;
    c.pool = TLEG_POOL_CLS; /* without a token to read */
    assert_int_equal(tleg_config_check(context, &c, &config), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "class token"));
    c.pool = TLEG_POOL_MEAN, c.class_token = c.distillation_token = 1;
    assert_int_equal(tleg_config_check(context, &c, &config), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "distillation token"));
}

static void set_member(tleg_config *c, size_t offset, int32_t value) {
    memcpy((char *)c + offset, &value, sizeof value);
}

static void each_range_ends_where_it_is_said_to(void **state) {
    (void)state;
#define RANGE(member, least, most)                                                                                             \
    { #member, offsetof(tleg_config, member), least, most }
    static const struct {
        const char *name;
        size_t offset;
        int32_t least, most;
    } ranges[] = {
        RANGE(gated, 0, 1),          RANGE(norm_before, 0, 1),    RANGE(no_patch_bias, 0, 1),    RANGE(no_head_bias, 0, 1),
        RANGE(norm_after, 0, 2),     RANGE(attention_norm, 0, 1), RANGE(mlp_norm, 0, 1),         RANGE(qk_norm, 0, 2),
        RANGE(pixel_norm, 0, 1),     RANGE(no_positions, 0, 1),   RANGE(rotary_halves, 0, 1),    RANGE(rotary_x_first, 0, 1),
        RANGE(rotary_grid, 0, 1024), RANGE(rotary_offset, 0, 1),  RANGE(pool_hidden, 0, 262144), RANGE(rms, 0, 1),
        RANGE(no_norm, 0, 1),        RANGE(patch_norm, 0, 1),     RANGE(no_proj_bias, 0, 1),     RANGE(no_mlp_bias, 0, 1),
        RANGE(class_token, 0, 1),    RANGE(layer_scale, 0, 1),    RANGE(no_qkv_bias, 0, 1),      RANGE(registers, 0, 1024),
        RANGE(depth, 0, 1024),       RANGE(learned_sigma, 0, 0),  RANGE(no_null_label, 0, 0)};
#undef RANGE
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        const int32_t beyond[] = {ranges[k].least - 1, ranges[k].most + 1};
        for (int i = 0; i < 2; i++) {
            tleg_config c = small();
            char member[48], found[64];
            set_member(&c, ranges[k].offset, beyond[i]);
            snprintf(member, sizeof member, "tleg_config.%s: ", ranges[k].name);
            snprintf(found, sizeof found, "%d to %d, found %d", (int)ranges[k].least, (int)ranges[k].most, (int)beyond[i]);
            refuse_host(c, member, found);
        }
    }
}

static void a_generator_has_no_parts_of_a_classifier(void **state) {
    (void)state;
#define NONE(member, value)                                                                                                    \
    { #member, offsetof(tleg_config, member), value }
    static const struct {
        const char *name;
        size_t offset;
        int32_t value;
    } none[] = {NONE(attention_dim, 12), NONE(class_token, 1), NONE(registers, 1),     NONE(pool, 1),
                NONE(norm, 1),           NONE(layer_scale, 1), NONE(norm_before, 1),   NONE(no_patch_bias, 1),
                NONE(no_head_bias, 1),   NONE(norm_after, 1),  NONE(gated, 1),         NONE(attention_norm, 1),
                NONE(mlp_norm, 1),       NONE(qk_norm, 1),     NONE(pixel_norm, 1),    NONE(no_positions, 1),
                NONE(rotary, 1),         NONE(rms, 1),         NONE(no_norm, 1),       NONE(patch_norm, 1),
                NONE(no_proj_bias, 1),   NONE(no_mlp_bias, 1), NONE(representation, 1)};
#undef NONE
    tleg_config c = small();
    struct tleg_vit_config config;
    c.kind = TLEG_KIND_DIT;
    c.learned_sigma = c.no_null_label = 1;
    OK(context, tleg_config_check(context, &c, &config));
    tleg_config_free(&config);
    c.learned_sigma = 2;
    refuse_host(c, "tleg_config.learned_sigma: ", "0 to 1, found 2");
    c.learned_sigma = 0, c.no_null_label = -1;
    refuse_host(c, "tleg_config.no_null_label: ", "0 to 1, found -1");
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) {
        char member[48], found[48];
        c = small();
        c.kind = TLEG_KIND_DIT;
        c.rotary = none[k].offset == offsetof(tleg_config, no_positions); /* which nobody may be without */
        set_member(&c, none[k].offset, none[k].value);
        snprintf(member, sizeof member, "tleg_config.%s: ", none[k].name);
        snprintf(found, sizeof found, "0 for TLEG_KIND_DIT, found %d", (int)none[k].value);
        refuse_host(c, member, found);
    }
}

static void a_bad_schedule_is_refused_in_words(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"{", "JSON"},
        {"[]", "object"},
        {"3", "object"},
        {"{\"attn\":[[1,true]]}", "norm1, norm2, qkv, proj, fc1, fc2"},
        {"{\"a name too long for any buffer\":[[1,true]]}", "norm1, norm2"},
        {"{\"qkv\":[]}", "qkv"},
        {"{\"qkv\":3}", "qkv"},
        {"{\"qkv\":[3]}", "segment 0 of \"qkv\""},
        {"{\"qkv\":[[3,true],[3]]}", "segment 1 of \"qkv\""},
        {"{\"qkv\":[[3,true,1]]}", "segment 0 of \"qkv\""},
        {"{\"qkv\":[[0,true]]}", "layers 1 to 1024"},
        {"{\"qkv\":[[-1,true]]}", "layers 1 to 1024"},
        {"{\"qkv\":[[2.0,true]]}", "segment 0"},
        {"{\"qkv\":[[2e0,true]]}", "segment 0"},
        {"{\"qkv\":[[99999999999999999999,true]]}", "segment 0"},
        {"{\"qkv\":[[2,1]]}", "true or false"},
        {"{\"qkv\":[[2,null]]}", "true or false"},
        {"{\"qkv\":[[2,\"true\"]]}", "true or false"},
        {"{\"qkv\":[[true,2]]}", "segment 0"},
        {"{\"qkv\":[[1024,true],[1,true]]}", "at most 1024"},
        {"{\"qkv\":[[4,true],[12,\"spline\",4]]}",
         "\"chebyshev\" or \"cosine\", tensors 2 to 16], found [12,\"spline\",4], which may"},
        {"{\"qkv\":[[12,\"a name too long for any buffer\",4]]}", "found [12,\"a name too long for any buffer\",4], which may"},
        {"{\"qkv\":[[12,\"cosine\",1]]}", "tensors 2 to 16], found [12,\"cosine\",1]"},
        {"{\"qkv\":[[12,\"cosine\",17]]}", "found [12,\"cosine\",17]"},
        {"{\"qkv\":[[12,\"cosine\",-3]]}", "found [12,\"cosine\",-3]"},
        {"{\"qkv\":[[12,\"cosine\",3.0]]}", "found [12,\"cosine\",3.0]"},
        {"{\"qkv\":[[12,\"cosine\",99999999999999999999]]}", "found [12,\"cosine\",99999999999999999999]"},
        {"{\"qkv\":[[12,\"cosine\",\"3\"]]}", "found [12,\"cosine\",\"3\"]"},
        {"{\"qkv\":[[12,\"cosine\"]]}", "found [12,\"cosine\"]"},
        {"{\"qkv\":[[12,\"cosine\",3,4]]}", "found [12,\"cosine\",3,4]"},
        {"{\"qkv\":[[12,true,3]]}", "found [12,true,3]"},
        {"{\"qkv\":[[12,4,\"cosine\"]]}", "found [12,4,\"cosine\"]"},
        {"{\"qkv\":[[0,\"cosine\",4]]}", "layers 1 to 1024"},
        {"{\"qkv\":[[4,true]],\"fc1\":[[5,true]]}", "different numbers of layers"},
        {"{\"qkv\":[[4,true]],\"qkv\":[[4,true]]}", "twice"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        struct tleg_schedule schedule;
        const tleg_status status = tleg_schedule_parse(context, "here", bad[k][0], &schedule);
        /* a site or curve that is unknown may be a later version's */
        const bool later = strstr(bad[k][1], "norm1, norm2") || strstr(bad[k][1], "which may");
        const tleg_status expected = later ? TLEG_ERROR_UNSUPPORTED : TLEG_ERROR_FORMAT;
        if (status != expected)
            print_error("%s gave %d\n", bad[k][0], status);
        assert_int_equal(status, expected);
        must_say(tleg_context_get_error(context), (const char *const[3]){"here", bad[k][1], NULL});
        tleg_config c = small();
        c.schedule = bad[k][0];
        struct tleg_vit_config config;
        assert_int_equal(tleg_config_check(context, &c, &config), TLEG_ERROR_ARGUMENT);
        must_say(tleg_context_get_error(context), (const char *const[3]){"tleg_config.schedule", bad[k][1], NULL});
    }
}

static void a_schedule_is_written_in_one_form(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"{}", ""},
        {"{\"fc1\":[[3,\"power\",2],[3,\"chebyshev\",2]]}", "{\"fc1\":[[3,true],[3,\"chebyshev\",2]]}"},
        {"{ \"fc1\" : [[1, \"cosine\", 16 ]], \"norm1\":[[1,\"p\\u006fwer\",3]] }",
         "{\"norm1\":[[1,\"power\",3]],\"fc1\":[[1,\"cosine\",16]]}"},
        {"{\"fc2\":[[1024,false]]}", "{\"fc2\":[[1024,false]]}"},
    };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        struct tleg_schedule schedule;
        char text[128];
        OK(context, tleg_schedule_parse(context, "here", texts[k][0], &schedule));
        assert_int_equal(tleg_schedule_text(&schedule, NULL), strlen(texts[k][1]));
        tleg_schedule_text(&schedule, text);
        assert_string_equal(text, texts[k][1]);
        tleg_schedule_free(&schedule);
    }
}

static void a_struct_of_another_version_is_understood(void **state) {
    (void)state;
    struct {
        tleg_config known;
        int64_t later;
    } host = {.known = small()};
    host.known.struct_size = sizeof host;
    struct tleg_vit_config config;
    OK(context, tleg_config_check(context, &host.known, &config)); /* longer, but zero */
    tleg_config_free(&config);
    host.later = 1;
    assert_int_equal(tleg_config_check(context, &host.known, &config), TLEG_ERROR_UNSUPPORTED);
    host.known.struct_size = offsetof(tleg_config, eps); /* shorter than the first version's */
    assert_int_equal(tleg_config_check(context, &host.known, &config), TLEG_ERROR_ARGUMENT);
}

/* ---- pictures that are not square ---- */

static void a_width_that_says_nothing_new_is_none(void **state) {
    (void)state;
    tleg_config host = small();
    struct tleg_vit_config config;
    host.image_width = host.image_size;
    host.patch_width = host.patch_size;
    OK(context, tleg_config_check(context, &host, &config));
    assert_true(config.c.image_width == 0 && config.c.patch_width == 0);
    assert_int_equal(tleg_config_patches(&config.c), 64);
    tleg_config_free(&config);
    host.image_width = 40;
    host.patch_width = 8;
    OK(context, tleg_config_check(context, &host, &config));
    assert_true(config.c.image_width == 40 && config.c.patch_width == 8);
    assert_int_equal(tleg_config_patches(&config.c), 40);
    assert_true(config.c.crop == 0.875); /* one side is above 32 pixels */
    tleg_config_free(&config);
    host.kind = TLEG_KIND_DIT;
    assert_int_equal(tleg_config_check(context, &host, &config), TLEG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg_config.image_width: a generator's images"));
}

/* ---- a configuration as metadata ---- */

/* No file keeps, or needs, what says nothing of this network. */
static void members_without_a_meaning_are_dropped(void **state) {
    (void)state;
    tleg_config host = small();
    struct tleg_vit_config config;
    host.pool_heads = 4;
    host.pool_hidden = 12;
    host.rotary_halves = host.rotary_x_first = host.rotary_offset = 1;
    host.rotary_grid = 7;
    host.rotary_base = 50;
    OK(context, tleg_config_check(context, &host, &config));
    assert_int_equal(config.c.pool_heads | config.c.pool_hidden, 0);
    assert_int_equal(config.c.rotary_halves | config.c.rotary_x_first | config.c.rotary_grid | config.c.rotary_offset, 0);
    assert_true(config.c.rotary_base == 0);
    tleg_config_free(&config);
}

static void metadata_is_explicit_and_never_changes(void **state) {
    (void)state;
    static const char *const expected[][2] = {
        {"format", "pt"},
        {"tleg.kind", "learngene"},
        {"tleg.image_size", "32"},
        {"tleg.patch_size", "4"},
        {"tleg.heads", "3"},
        {"tleg.norm", "after_pool"},
        {"tleg.eps", "1e-06"},
        {"tleg.pool", "mean"},
        {"tleg.mean", "0.485,0.456,0.406"},
        {"tleg.std", "0.229,0.224,0.225"},
        {"tleg.crop", "1.0"},
        {"tleg.labels", "[\"a \\\"b\\\" \\\\ /\", \"\\u000a\\u001f\xc3\xa9\"]"},
        {"tleg.schedule", "{\"norm1\":[[1,true],[12,false]]}"},
    };
    const int64_t count = sizeof expected / sizeof *expected;
    tleg_config host = small();
    host.norm = TLEG_NORM_AFTER_POOL;
    host.eps = 1e-6;
    host.labels = (const char *const[]){"a \"b\" \\ /", "\n\x1f\xc3\xa9"};
    host.label_count = 2;
    host.schedule = "{\"norm1\":[[1,true],[12,false]]}";
    struct tleg_vit_config config;
    struct tleg_metadata pairs;
    OK(context, tleg_config_check(context, &host, &config));
    OK(context, tleg_config_metadata(context, &config, true, &(tleg_save_options){0}, &pairs));
    assert_int_equal(pairs.count, count);
    for (int64_t k = 0; k < count; k++) {
        assert_string_equal(pairs.pairs[k].key, expected[k][0]);
        assert_string_equal(pairs.pairs[k].value, expected[k][1]);
    }
    tleg_metadata_free(&pairs);
    tleg_metadata_free(&pairs); /* zeroed is allowed */

    OK(context, tleg_config_metadata(context, &config, false, &(tleg_save_options){0}, &pairs)); /* a model has no schedule */
    assert_int_equal(pairs.count, count - 1);
    assert_string_equal(pairs.pairs[1].value, "vit");
    tleg_metadata_free(&pairs);
    tleg_config_free(&config);
}

/* ---- names and shapes ---- */

static void layers_and_segments_have_the_names_of_timm_and_of_the_authors(void **state) {
    (void)state;
    static const struct tleg_span line = {12, TLEG_CURVE_POWER, 2}, shared = {12, TLEG_CURVE_POWER, 1},
                                  single = {1, TLEG_CURVE_POWER, 2}, cubic = {12, TLEG_CURVE_POWER, 4},
                                  waves = {6, TLEG_CURVE_COSINE, 16}, two = {6, TLEG_CURVE_CHEBYSHEV, 2};
    char name[TLEG_NAME_TEXT];
    tleg_layer_name(11, TLEG_SITE_QKV, false, name);
    assert_string_equal(name, "blocks.11.attn.qkv.weight");
    tleg_layer_name(0, TLEG_SITE_NORM2, true, name);
    assert_string_equal(name, "blocks.0.norm2.bias");
    tleg_segment_name(TLEG_SITE_FC2, 3, true, &line, 1, name);
    assert_string_equal(name, "blocks.block.mlp.fc2.instances.3.bias_ilayer");
    tleg_segment_name(TLEG_SITE_PROJ, 1023, false, &line, 0, name);
    assert_string_equal(name, "blocks.block.attn.proj.instances.1023.weight_base");
    tleg_segment_name(TLEG_SITE_NORM1, 0, false, &shared, 0, name);
    assert_string_equal(name, "blocks.block.norm1.instances.0.weight");
    tleg_segment_name(TLEG_SITE_NORM1, 0, true, &single, 0, name); /* of one layer there is one tensor */
    assert_string_equal(name, "blocks.block.norm1.instances.0.bias");
    tleg_segment_name(TLEG_SITE_QKV, 2, false, &cubic, 3, name);
    assert_string_equal(name, "blocks.block.attn.qkv.instances.2.weight_basis3");
    tleg_segment_name(TLEG_SITE_FC1, 0, true, &waves, 15, name);
    assert_string_equal(name, "blocks.block.mlp.fc1.instances.0.bias_basis15");
    tleg_segment_name(TLEG_SITE_FC1, 0, false, &two, 0, name); /* "true" alone means base and ilayer */
    assert_string_equal(name, "blocks.block.mlp.fc1.instances.0.weight_basis0");

    const tleg_config c = {.image_size = 8,
                           .patch_size = 4,
                           .dim = 6,
                           .hidden = 10,
                           .classes = 3,
                           .channels = 3,
                           .class_token = 1,
                           .pool = TLEG_POOL_CLS,
                           .norm = TLEG_NORM_BEFORE_POOL,
                           .no_qkv_bias = 1};
    struct tleg_spec spec;
    size_t count = 0;
    for (int slot = 0; slot < TLEG_SLOTS; slot++) {
        tleg_outer_spec(&c, (enum tleg_slot)slot, &spec);
        count += tleg_spec_count(&spec);
    }
    assert_int_equal(count, 6 + 5 * 6 + 6 * 48 + 6 + 12 + 18 + 3);
    tleg_outer_spec(&c, TLEG_SLOT_DIST_TOKEN, &spec);
    assert_string_equal(spec.name, "");
    assert_int_equal(tleg_spec_count(&spec), 0);
    tleg_site_spec(&c, TLEG_SITE_QKV, true, &spec);
    assert_string_equal(spec.name, "");
    tleg_site_spec(&c, TLEG_SITE_FC1, false, &spec);
    assert_string_equal(spec.name, "mlp.fc1.weight");
    assert_true(spec.rank == 2 && spec.shape[0] == 10 && spec.shape[1] == 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(texts_are_the_librarys_own),
        cmocka_unit_test(each_member_out_of_range_is_named),
        cmocka_unit_test(each_range_ends_where_it_is_said_to),
        cmocka_unit_test(a_generator_has_no_parts_of_a_classifier),
        cmocka_unit_test(what_the_parts_of_other_families_may_be),
        cmocka_unit_test(a_bad_schedule_is_refused_in_words),
        cmocka_unit_test(a_schedule_is_written_in_one_form),
        cmocka_unit_test(a_struct_of_another_version_is_understood),
        cmocka_unit_test(a_width_that_says_nothing_new_is_none),
        cmocka_unit_test(members_without_a_meaning_are_dropped),
        cmocka_unit_test(metadata_is_explicit_and_never_changes),
        cmocka_unit_test(layers_and_segments_have_the_names_of_timm_and_of_the_authors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
