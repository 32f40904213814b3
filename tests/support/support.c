#include "support/support.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- ways of computing ---- */

static bool is_wanted(const char *name) {
    const char *list = getenv("TLEG_TEST_LEVELS");
    if (list == NULL || list[0] == '\0') {
        return true;
    }
    size_t length = strlen(name);
    for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name)) {
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

int32_t support_backends(struct backend backends[MAX_BACKENDS]) {
    int32_t count = 0, level;
    const char *name;
    for (int32_t i = 0; (level = tleg_cpu_level(i, &name)) != 0 && count < MAX_BACKENDS; i++) {
        if (is_wanted(name)) {
            backends[count++] = (struct backend){level, TLEG_GEMM_OWN, name};
        }
    }
    if (is_wanted("blas") && count < MAX_BACKENDS) {
        backends[count++] = (struct backend){TLEG_LEVEL_BEST, TLEG_GEMM_BLAS, "blas"};
    }
    if (count == 0) { /* a suite that tries none would pass */
        print_message("SKIP levels: this machine has none of TLEG_TEST_LEVELS=%s\n", getenv("TLEG_TEST_LEVELS"));
        exit(77);
    }
    return count;
}

tleg_context *support_context(const struct backend *backend, int32_t workers) {
    tleg_context_options options = {.struct_size = sizeof options,
                                    .level = backend->level,
                                    .gemm = backend->gemm,
                                    .sgemm = support_sgemm,
                                    .workers = workers};
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    return context;
}

static const char *filter;

void support_filter(int argc, char **argv) {
    if (argc > 1) {
        filter = argv[1];
        cmocka_set_test_filter(filter);
    }
}

/* As cmocka has it: * and ? alone are special. */
static bool is_like(const char *text, const char *pattern) {
    if (*pattern == '*')
        return is_like(text, pattern + 1) || (*text && is_like(text + 1, pattern));
    return *text ? (*pattern == '?' || *pattern == *text) && is_like(text + 1, pattern + 1) : !*pattern;
}

bool support_is_matched(const struct CMUnitTest *tests, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!filter || is_like(tests[i].name, filter))
            return true;
    print_error("no test is called like \"%s\"\n", filter ? filter : "");
    return false;
}

void support_ok(tleg_status status, const char *call, const char *text, const char *file, int line) {
    if (status != TLEG_OK) {
        print_error("%s gave %s: %s\n", call, tleg_status_name(status), text);
        _fail(file, line);
    }
}

/* ---- golden cases ---- */

const char *support_path(const char *name, const char *ending) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s%s", TLEG_GOLDEN, name, ending);
    return path;
}

int32_t support_golden(struct golden cases[MAX_GOLDEN]) {
    FILE *file = fopen(support_path("cases", ".txt"), "r");
    assert_non_null(file);
    int32_t count = 0;
    struct golden *g = cases;
    while (count < MAX_GOLDEN && fscanf(file, "%39s %39s %d %d %d %d %d", g->name, g->gene, &g->images, &g->depth, &g->timm,
                                        &g->image, &g->half) == 7) {
        g = &cases[++count];
    }
    fclose(file);
    assert_true(count > 0);
    return count;
}

tleg_learngene *support_gene(tleg_context *context, const char *gene) {
    tleg_learngene *opened = NULL;
    OK(context, tleg_learngene_open(context, support_path(gene, ".gene.safetensors"), NULL, &opened));
    return opened;
}

tleg_expander *support_expander(tleg_context *context, const struct golden *golden, int32_t dtype) {
    tleg_learngene *gene = support_gene(context, golden->gene);
    tleg_expander_options options = {.struct_size = sizeof options,
                                     .dtype = dtype,
                                     .norm = golden->timm ? TLEG_NORM_AFTER_POOL : 0,
                                     .image_size = golden->image};
    tleg_expander *expander = NULL;
    OK(context, tleg_expander_create(context, gene, &options, &expander));
    tleg_learngene_free(gene);
    return expander;
}

tleg_tensor *support_tensor(tleg_context *context, const char *path, const char *name, const float **data, size_t *count) {
    tleg_file *file = NULL;
    tleg_tensor *tensor = NULL;
    OK(context, tleg_file_open(context, path, NULL, &file));
    OK(context, tleg_file_read_tensor(context, file, name, &tensor));
    tleg_file_free(file);
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(context, tleg_tensor_get_info(context, tensor, &info));
    assert_int_equal(info.dtype, TLEG_F32);
    *data = info.data;
    *count = (size_t)(info.bytes / sizeof(float));
    return tensor;
}

tleg_tensor *support_images(tleg_context *context, int32_t size, const float **data) {
    char name[32];
    size_t count;
    snprintf(name, sizeof name, "images-%d", size);
    tleg_tensor *images = support_tensor(context, support_path(name, ".safetensors"), "images", data, &count);
    assert_int_equal(count, GOLDEN_BATCH * 3 * size * size);
    return images;
}

int32_t support_dim(const tleg_expander *expander, tleg_context *context) {
    tleg_model *model = NULL;
    tleg_config config = {.struct_size = sizeof config};
    tleg_cost cost = {.struct_size = sizeof cost};
    OK(context, tleg_expander_get_cost(context, expander, 0, 1, 0, &cost));
    OK(context, tleg_expander_expand(context, expander, cost.least_depth, &model));
    OK(context, tleg_model_get_info(context, model, &config));
    tleg_model_free(model);
    return config.dim;
}

/* ---- numbers and tensors ---- */

float *support_values(uint64_t seed, size_t count, double scale, double offset) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (seed * UINT64_C(0x9e3779b97f4a7c15)) ^ ((i + 1) * UINT64_C(0xbf58476d1ce4e5b9));
        x = (x ^ (x >> 30)) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 29;
        values[i] = (float)(offset + scale * ((double)(x >> 11) / 4503599627370496.0 - 1));
    }
    return values;
}

double *support_doubles(size_t count) {
    double *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

tleg_tensor *support_wrap(tleg_context *context, float *values, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    int64_t shape[] = {a, b, c, d};
    tleg_tensor *tensor = NULL;
    OK(context, tleg_tensor_wrap(context, TLEG_F32, rank, shape, values, free, values, &tensor));
    return tensor;
}

float *support_data(const tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_tensor_get_info(NULL, tensor, &info), TLEG_OK);
    return info.data;
}

uint64_t support_fnv(const void *data, size_t bytes) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

double support_relative(const float *a, const float *b, size_t count) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / norm);
}

/* ---- files ---- */

static char scratch[256];

const char *support_scratch(const char *name) {
    static char paths[4][512];
    static int next;
    if (scratch[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(scratch, sizeof scratch, "%s/tleg-test-XXXXXX", base != NULL ? base : "/tmp");
        assert_non_null(mkdtemp(scratch));
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

int support_clean(void **state) {
    (void)state;
    DIR *directory = scratch[0] != '\0' ? opendir(scratch) : NULL;
    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        unlink(support_scratch(entry->d_name));
    }
    closedir(directory);
    rmdir(scratch);
    scratch[0] = '\0';
    return 0;
}

unsigned char *support_read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    *bytes = (size_t)size;
    unsigned char *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

tleg_status support_run(tleg_session *session, const float *images, int64_t batch, float *logits, float *features) {
    tleg_session_info info = {.struct_size = sizeof info};
    const tleg_status status = tleg_session_get_info(NULL, session, &info);
    if (status != TLEG_OK)
        return status;
    const size_t count = (size_t)batch;
    return tleg_session_run(session, batch, images, count * info.image_floats, logits, logits ? count * info.logit_floats : 0,
                            features, features ? count * info.feature_floats : 0);
}

tleg_status support_preparation(tleg_context *context, const tleg_config *config, tleg_preparation **preparation) {
    tleg_preparation_options options = {.struct_size = sizeof options,
                                        .image_size = config->image_size,
                                        .crop = config->crop,
                                        .interpolation = config->interpolation,
                                        .fit = config->fit,
                                        .channels = config->channels,
                                        .image_width = config->image_width};
    memcpy(options.mean, config->mean, sizeof options.mean);
    memcpy(options.std, config->std, sizeof options.std);
    return tleg_preparation_create(context, &options, preparation);
}

static size_t image_floats(const tleg_config *config) {
    const size_t width = (size_t)(config->image_width ? config->image_width : config->image_size);
    return (size_t)(config->channels == 1 ? 1 : 3) * (size_t)config->image_size * width;
}

tleg_status support_prepare(tleg_context *context, const tleg_image *image, const tleg_config *config, float *out) {
    tleg_preparation *preparation = NULL;
    tleg_status status = support_preparation(context, config, &preparation);
    if (status == TLEG_OK)
        status = tleg_image_prepare(context, preparation, image, out, image_floats(config));
    tleg_preparation_free(preparation);
    return status;
}

tleg_status support_augment(tleg_context *context, const tleg_image *image, const tleg_config *config,
                            const tleg_augment_options *options, uint64_t seed, float *out) {
    tleg_preparation *preparation = NULL;
    tleg_status status = support_preparation(context, config, &preparation);
    if (status == TLEG_OK)
        status = tleg_augment_image(context, preparation, image, options, seed, out, image_floats(config));
    tleg_preparation_free(preparation);
    return status;
}

tleg_status support_mix(tleg_context *context, const tleg_mix_options *options, uint64_t seed, int64_t batch, int32_t size,
                        float *images, const int64_t *labels, float *targets) {
    const size_t count = batch > 0 ? (size_t)batch : 0, side = size > 0 ? (size_t)size : 0;
    const size_t classes = options && options->classes > 0 ? (size_t)options->classes : 0;
    const size_t image = (options && options->channels == 1 ? 1 : 3) * side * side;
    return tleg_augment_mix(context, options, seed, batch, size, images, count * image, labels, targets, count * classes);
}
