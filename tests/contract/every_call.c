#include "contract/every_call_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 5, CLASSES = 5 };

/* ---- results and inputs ---- */

void visit_digest(struct visit *v, const void *data, size_t bytes) {
    uint64_t hash = v->digest ? v->digest : UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    v->digest = hash;
}

static void digest_text(struct visit *v, const char *text) {
    visit_digest(v, text ? text : "", text ? strlen(text) : 0);
}

tleg_status visit_digest_tensor(struct visit *v, const tleg_tensor *tensor) {
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    TRY(tleg_tensor_get_info(v->context, tensor, &info));
    visit_digest(v, info.shape, sizeof(info.shape));
    visit_digest(v, info.data, (size_t)info.bytes);
    return TLEG_OK;
}

void visit_fill(float *out, size_t count, uint32_t seed) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (float)(int32_t)(seed >> 8) / 8388608.0F - 1.0F;
    }
}

tleg_tensor **visit_slot(struct visit *v) {
    return v->tensor_count < VISIT_TENSORS ? &v->tensors[v->tensor_count++] : NULL;
}

tleg_status visit_tensor(struct visit *v, int32_t rank, int64_t a, int64_t b, int64_t c, tleg_tensor **out) {
    const int64_t shape[] = {a, b, c};
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    tleg_tensor **kept = visit_slot(v);
    *out = NULL;
    MUST(kept);
    TRY(tleg_tensor_create(v->context, TLEG_F32, rank, shape, kept));
    TRY(tleg_tensor_get_info(v->context, *kept, &info));
    visit_fill(info.data, (size_t)(info.bytes / sizeof(float)), (uint32_t)v->tensor_count);
    *out = *kept;
    return TLEG_OK;
}

void visit_let_go(struct visit *v) {
    while (v->tensor_count > 0)
        tleg_tensor_free(v->tensors[--v->tensor_count]);
    memset(v->tensors, 0, sizeof(v->tensors));
}

void visit_spoil(void *memory, size_t bytes) {
    static const unsigned char signalling[4] = {0x01, 0x00, 0xA0, 0x7F};
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)memory)[i] = signalling[i % 4];
}

static char *path_of(const struct visit *v, const char *name, char text[VISIT_TEXT + 64]) {
    snprintf(text, VISIT_TEXT + 64, "%s/%s", v->scratch, name);
    return text;
}

static const char *golden(const char *name, char text[VISIT_TEXT]) {
    snprintf(text, VISIT_TEXT, "%s/%s", TLEG_GOLDEN, name);
    return text;
}

static tleg_status read_bytes(const char *path, unsigned char **bytes, size_t *size) {
    FILE *file = fopen(path, "rb");
    MUST(file);
    const long end = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    *bytes = end > 0 ? malloc((size_t)end) : NULL;
    *size = (size_t)end;
    rewind(file);
    const bool good = *bytes && fread(*bytes, 1, *size, file) == *size;
    fclose(file);
    return good ? TLEG_OK : TLEG_ERROR_STATE;
}

static tleg_status digest_file(struct visit *v, const char *path) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    const tleg_status status = read_bytes(path, &bytes, &size);
    visit_digest(v, bytes, status ? 0 : size);
    free(bytes);
    return status;
}

/* ---- the parts ---- */

static tleg_status core_calls(struct visit *v) {
    const char *name = NULL, *of_context = NULL;
    MUST(tleg_version() == TLEG_VERSION && strcmp(tleg_status_name(TLEG_ERROR_FORMAT), "FORMAT") == 0);
    MUST(tleg_cpu_level(0, &name) == TLEG_LEVEL_PORTABLE && name);
    MUST(tleg_level_name(TLEG_LEVEL_PORTABLE) == name);
    MUST(strncmp(tleg_build_info(), "libtleg ", 8) == 0);
    MUST(tleg_context_get_os_error(v->context) == 0);
    MUST(strcmp(tleg_site_key(2), "qkv") == 0 && strcmp(tleg_site_name(2), "attn.qkv") == 0);
    MUST(tleg_context_get_level(v->context, &of_context) > 0 && of_context);
    MUST(tleg_context_get_error(v->context)[0] == '\0');
    tleg_context *other = NULL;
    const tleg_context_options options = {.struct_size = sizeof(options), .workers = 2};
    TRY(tleg_context_create(&options, &other));
    tleg_context_free(other);
    return TLEG_OK;
}

static tleg_status clone_calls(struct visit *v) {
    tleg_context *clone = NULL;
    TRY(tleg_context_clone(v->context, &clone));
    tleg_context_free(clone);
    return TLEG_OK;
}

static tleg_status tensor_calls(struct visit *v) {
    static float data[6] = {1, 2, 3, 4, 5, 6};
    const int64_t shape[] = {2, 3};
    tleg_tensor **wrapped = visit_slot(v), **lent = visit_slot(v);
    MUST(wrapped && lent);
    TRY(tleg_tensor_wrap(v->context, TLEG_F32, 2, shape, data, NULL, NULL, wrapped));
    tleg_tensor *constant = NULL;
    TRY(tleg_tensor_wrap_const(v->context, TLEG_F32, 2, shape, data, NULL, NULL, &constant));
    tleg_tensor_free(constant);
    TRY(tleg_tensor_to_dlpack(v->context, *wrapped, &v->managed));
    TRY(tleg_tensor_from_dlpack(v->context, v->managed, lent));
    v->managed = NULL; /* the tensor's now */
    return visit_digest_tensor(v, *lent);
}

static tleg_status TLEG_CALL write_digest(void *host, const void *data, size_t bytes) {
    visit_digest(host, data, bytes);
    return TLEG_OK;
}

static tleg_status TLEG_CALL read_source(void *host, uint64_t offset, size_t bytes, void *out) {
    const struct visit *v = host;
    memcpy(out, v->bytes + offset, bytes);
    return TLEG_OK;
}

static tleg_status file_calls(struct visit *v) {
    char path[VISIT_TEXT + 64];
    static const char *const names[] = {"a", "b"}, *const pairs[] = {"who", "a visit", "tleg.eps", "1e-05"};
    tleg_tensor *tensors[2], **read = visit_slot(v);
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    MUST(read);
    TRY(visit_tensor(v, 2, 3, 5, 0, &tensors[0]));
    TRY(visit_tensor(v, 1, 7, 0, 0, &tensors[1]));
    path_of(v, "tensors.safetensors", path);
    TRY(tleg_file_save(v->context, path, 2, names, (const tleg_tensor *const *)tensors, SAVE_WITH(2, pairs)));
    TRY(digest_file(v, path));
    TRY(tleg_file_write(v->context, write_digest, v, 2, names, (const tleg_tensor *const *)tensors, SAVE_WITH(2, pairs)));
    TRY(tleg_file_open(v->context, path, NULL, &v->saved));
    MUST(tleg_file_get_tensor_count(v->saved) == 2 && strcmp(tleg_file_get_metadata(v->saved, "who"), "a visit") == 0);
    TRY(tleg_file_get_tensor_info(v->context, v->saved, tleg_file_get_tensor_name(v->saved, 1), &info));
    TRY(tleg_file_read_tensor(v->context, v->saved, "a", read));
    TRY(visit_digest_tensor(v, *read));
    float part[4];
    TRY(tleg_file_read_floats(v->context, v->saved, "a", 9, 4, part));
    visit_digest(v, part, sizeof(part));
    MUST(strcmp(tleg_file_get_metadata_key(v->saved, 1), "tleg.eps") == 0);
    char gene[VISIT_TEXT];
    TRY(read_bytes(golden("mean.gene.safetensors", gene), &v->bytes, &v->size));
    TRY(tleg_file_parse(v->context, v->bytes, v->size, &v->in_memory));
    const tleg_source source = {.struct_size = sizeof(source), .size = v->size, .read = read_source, .host = v};
    return tleg_file_open_source(v->context, &source, &v->of_source);
}

static tleg_config small_config(void) {
    static const char *const labels[] = {"a", "b", "c"};
    return (tleg_config){.struct_size = sizeof(tleg_config),
                         .image_size = 8,
                         .patch_size = 4,
                         .dim = 6,
                         .heads = 2,
                         .classes = 3,
                         .class_token = 1,
                         .crop = 0.95,
                         .mean = {0.1, 0.25, 0.5},
                         .std = {0.3, 0.2, 0.7},
                         .labels = labels,
                         .label_count = 3};
}

static tleg_status gene_calls(struct visit *v) {
    char path[VISIT_TEXT + 64], gene[VISIT_TEXT];
    tleg_config config = small_config(), found = {.struct_size = sizeof(found)};
    tleg_tensor **head = visit_slot(v);
    MUST(head);
    TRY(tleg_learngene_open(v->context, golden("mean.gene.safetensors", gene), NULL, &v->gene));
    TRY(tleg_learngene_parse(v->context, v->bytes, v->size, NULL, &v->parsed));
    TRY(tleg_learngene_read(v->context, v->of_source, NULL, &v->read_gene));
    TRY(tleg_learngene_create(v->context, &config, 7, &v->fresh));
    TRY(tleg_learngene_get_info(v->context, v->fresh, &found));
    MUST(found.crop == 0.95 && found.std[2] == 0.7);
    digest_text(v, tleg_learngene_get_tensor_name(v->fresh, 0));
    tleg_tensor_info shape = {.struct_size = sizeof(shape)};
    TRY(tleg_learngene_get_tensor_info(v->context, v->fresh, "head.weight", &shape));
    MUST(shape.rank == 2 && tleg_learngene_get_tensor_count(v->fresh) > 0 && tleg_learngene_get_memory(v->fresh) > shape.bytes);
    digest_text(v, tleg_learngene_get_label(v->fresh, 2));
    TRY(tleg_learngene_copy_tensor(v->context, v->fresh, "head.weight", head));
    TRY(visit_digest_tensor(v, *head));
    MUST(!tleg_learngene_get_metadata(v->fresh, "license") && !tleg_learngene_get_metadata_key(v->fresh, 0));
    TRY(tleg_learngene_write(v->context, v->fresh, write_digest, v, NULL));
    TRY(tleg_learngene_save(v->context, v->fresh, path_of(v, "fresh.safetensors", path), NULL));
    return digest_file(v, path);
}

static tleg_status expander_calls(struct visit *v) {
    char gene[VISIT_TEXT];
    tleg_config config = {.struct_size = sizeof(config)};
    tleg_expander_options half = {.struct_size = sizeof(half), .dtype = TLEG_BF16};
    tleg_expander_options other = {
        .struct_size = sizeof(other), .norm = TLEG_NORM_AFTER_POOL, .image_size = 28, .classes = 7, .seed = 3};
    tleg_cost cost = {.struct_size = sizeof(cost)};
    int32_t depth = 0;
    TRY(tleg_expander_create(v->context, v->gene, NULL, &v->expander));
    TRY(tleg_expander_create(v->context, v->parsed, &half, &v->half));
    TRY(tleg_expander_open(v->context, golden("mean.gene.safetensors", gene), OPEN_WITH(TLEG_OPEN_MAP, 0), &other,
                           &v->from_file));
    TRY(tleg_expander_parse(v->context, v->bytes, v->size, NULL, NULL, &v->parsed_expander));
    TRY(tleg_expander_read(v->context, v->of_source, NULL, NULL, &v->read_expander));
    TRY(tleg_expander_get_info(v->context, v->from_file, &config));
    MUST(config.image_size == 28 && config.classes == 7);
    int32_t least = 0, most = 0;
    TRY(tleg_expander_get_depths(v->context, v->expander, &least, &most));
    MUST(least == 1 && most == TLEG_MAX_DEPTH && tleg_expander_get_memory(v->expander) > 0);
    MUST(!tleg_expander_get_label(v->from_file, 0));
    TRY(tleg_expander_get_cost(v->context, v->expander, 0, 2, v->in_a_hurry ? 0 : 1, &cost));
    const tleg_budget budget = {.struct_size = sizeof(budget),
                                .batch = 2,
                                .bytes = cost.bytes_fixed + 9 * cost.bytes_per_layer,
                                .holding = TLEG_HOLDING_STORED};
    TRY(tleg_expander_get_deepest(v->context, v->expander, &budget, &depth));
    MUST(depth == 9);
    const int32_t depths[] = {3, 8, 10};
    const double shares[] = {0.5, 0.75, 1};
    const tleg_scores scores = {.struct_size = sizeof(scores), .count = 3, .depths = depths, .scores = shares};
    tleg_budget scored = budget;
    tleg_best best = {.struct_size = sizeof(best)};
    scored.scores = &scores;
    TRY(tleg_expander_get_best(v->context, v->expander, &scored, &best));
    MUST(best.depth == 8 && best.cheapest == 8 && best.fitting == 2);
    return TLEG_OK;
}

static tleg_status model_calls(struct visit *v) {
    char path[VISIT_TEXT + 64];
    tleg_config config = {.struct_size = sizeof(config)};
    tleg_tensor **read = visit_slot(v);
    MUST(read);
    TRY(tleg_expander_expand(v->context, v->expander, 4, &v->model));
    TRY(tleg_expander_expand(v->context, v->half, 3, &v->half_model));
    MUST(!tleg_model_get_metadata(v->model, "license") && !tleg_model_get_metadata_key(v->model, 0));
    TRY(tleg_model_write(v->context, v->model, write_digest, v, NULL));
    TRY(tleg_model_save(v->context, v->model, path_of(v, "model.safetensors", path), NULL));
    TRY(digest_file(v, path));
    TRY(tleg_model_open(v->context, path, NULL, &v->opened));
    TRY(read_bytes(path, &v->model_bytes, &v->model_size));
    TRY(tleg_model_parse(v->context, v->model_bytes, v->model_size, NULL, &v->parsed_model));
    tleg_file *file = NULL;
    TRY(tleg_file_open(v->context, path, NULL, &file));
    const tleg_status status = tleg_model_read(v->context, file, NULL, &v->read_model);
    tleg_file_free(file);
    TRY(status);
    TRY(tleg_model_get_info(v->context, v->opened, &config));
    MUST(config.depth == 4);
    digest_text(v, tleg_model_get_tensor_name(v->opened, 3));
    tleg_tensor_info shape = {.struct_size = sizeof(shape)};
    TRY(tleg_model_get_tensor_info(v->context, v->opened, "head.weight", &shape));
    MUST(shape.rank == 2 && tleg_model_get_tensor_count(v->opened) > 4 && tleg_model_get_memory(v->opened) > shape.bytes);
    MUST(!tleg_model_get_label(v->opened, 1000));
    TRY(tleg_model_copy_tensor(v->context, v->opened, "blocks.3.mlp.fc1.weight", read));
    return visit_digest_tensor(v, *read);
}

/* The golden images, as the walk's last tensor. */
static tleg_status images_of(struct visit *v, float **images) {
    char path[VISIT_TEXT];
    tleg_tensor_info info = {.struct_size = sizeof(info)};
    tleg_tensor **read = visit_slot(v);
    tleg_file *file = NULL;
    MUST(read);
    TRY(tleg_file_open(v->context, golden("images-16.safetensors", path), NULL, &file));
    const tleg_status status = tleg_file_read_tensor(v->context, file, "images", read);
    tleg_file_free(file);
    TRY(status);
    TRY(tleg_tensor_get_info(v->context, *read, &info));
    *images = info.data;
    return TLEG_OK;
}

static tleg_status run(struct visit *v, tleg_session *session, const float *images, int64_t batch) {
    float logits[BATCH * CLASSES];
    tleg_session_info info = {.struct_size = sizeof(info)};
    TRY(tleg_session_get_info(v->context, session, &info));
    TRY(tleg_session_run(session, batch, images, (size_t)batch * info.image_floats, logits, sizeof(logits) / sizeof(float),
                         NULL, 0));
    visit_digest(v, logits, (size_t)batch * CLASSES * sizeof(float));
    return TLEG_OK;
}

static tleg_status session_calls(struct visit *v) {
    float *images = NULL;
    const tleg_session_options options = {.struct_size = sizeof(options), .batch = 2};
    uint64_t bytes = 0;
    TRY(images_of(v, &images));
    TRY(tleg_session_get_memory(v->context, v->model, &options, &bytes));
    TRY(tleg_session_get_elastic_memory(v->context, v->expander, &options, &bytes));
    TRY(tleg_session_create(v->context, v->opened, &options, &v->session));
    TRY(tleg_session_create(v->context, v->half_model, &options, &v->half_session));
    TRY(tleg_session_create_elastic(v->context, v->expander, 9, &options, &v->elastic));
    TRY(run(v, v->session, images, BATCH));
    TRY(run(v, v->half_session, images, BATCH));
    TRY(tleg_session_set_depth(v->elastic, 6));
    TRY(run(v, v->elastic, images, 1));
    tleg_session_cancel(v->session); /* it runs nothing: nothing happens */
    MUST(tleg_session_run(v->session, BATCH, images, 0, NULL, 0, NULL, 0) == TLEG_ERROR_ARGUMENT &&
         tleg_session_get_error(v->session)[0]);
    return run(v, v->session, images, BATCH);
}

/* Of each source, and they are one. */
static tleg_status preparation_calls(struct visit *v) {
    tleg_preparation *copies[3] = {NULL};
    tleg_preparation_info info[3];
    tleg_status status = tleg_learngene_copy_preparation(v->context, v->fresh, &copies[0]);
    if (status == TLEG_OK)
        status = tleg_expander_copy_preparation(v->context, v->expander, &copies[1]);
    if (status == TLEG_OK)
        status = tleg_model_copy_preparation(v->context, v->model, &copies[2]);
    for (int i = 0; i < 3 && status == TLEG_OK; i++) {
        info[i] = (tleg_preparation_info){.struct_size = sizeof(info[i])};
        status = tleg_preparation_get_info(v->context, copies[i], &info[i]);
    }
    const bool same = status != TLEG_OK || memcmp(&info[1], &info[2], sizeof(info[1])) == 0;
    for (int i = 0; i < 3; i++)
        tleg_preparation_free(copies[i]);
    MUST(same);
    return status;
}

static tleg_status augment_calls(struct visit *v, const tleg_preparation *preparation) {
    static uint8_t pixels[37 * 23 * 3];
    static const uint8_t grey[3] = {128, 128, 128};
    static const int64_t labels[] = {2, 0, 1};
    const tleg_image image = {
        .struct_size = sizeof(image), .layout = TLEG_PIXELS_RGB, .width = 37, .height = 23, .pixels = pixels};
    const tleg_augment_options augment = {.struct_size = sizeof(augment),
                                          .crop_least = 0.1,
                                          .flip = 0.5,
                                          .rand_ops = 2,
                                          .rand_increasing = 1,
                                          .rand_std = 0.5,
                                          .erase = 0.9};
    const tleg_mix_options mix = {.struct_size = sizeof(mix), .classes = 3, .mixup = 0.8, .cutmix = 1, .smoothing = 0.1};
    float prepared[3][3 * 8 * 8], targets[9];
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 111 * 5);
    TRY(tleg_image_prepare(v->context, preparation, &image, prepared[0], 3 * 8 * 8));
    memcpy(prepared[2], prepared[0], sizeof(prepared[0]));
    for (uint64_t seed = 1; seed < 9; seed++) {
        TRY(tleg_augment_image(v->context, preparation, &image, &augment, seed, prepared[1], 3 * 8 * 8));
        visit_digest(v, prepared[1], sizeof(prepared[1]));
    }
    TRY(tleg_augment_mix(v->context, &mix, 5, 3, 8, prepared[0], sizeof(prepared) / sizeof(float), labels, targets, 9));
    visit_digest(v, targets, sizeof(targets));
    TRY(tleg_augment_operation(v->context, "Rotate", 17, grey, 37, 23, pixels));
    TRY(tleg_augment_operation(v->context, "Equalize", 0, grey, 37, 23, pixels));
    visit_digest(v, pixels, sizeof(pixels));
    return TLEG_OK;
}

static tleg_status picture_calls(struct visit *v) {
    const tleg_preparation_options options = {.struct_size = sizeof(options), .image_size = 8};
    tleg_preparation *preparation = NULL;
    TRY(preparation_calls(v));
    TRY(tleg_preparation_create(v->context, &options, &preparation));
    const tleg_status status = augment_calls(v, preparation);
    tleg_preparation_free(preparation);
    return status;
}

static tleg_status train_calls(struct visit *v) {
    char path[VISIT_TEXT + 64];
    static const int64_t labels[] = {0, 1, 2, 3, 4};
    static const char *const pairs[] = {"step", "1"};
    float *images = NULL, teacher[BATCH * CLASSES];
    uint64_t bytes = 0;
    tleg_train_loss loss = {.struct_size = sizeof(loss)};
    const tleg_trainer_options options = {.struct_size = sizeof(options),
                                          .batch = BATCH,
                                          .depth_mode = TLEG_DEPTH_SANDWICH,
                                          .depth_least = 2,
                                          .depth_most = 5,
                                          .alpha = 0.5,
                                          .smoothing = 0.1,
                                          .drop_path = 0.1,
                                          .ema = 0.9,
                                          .clip = 1,
                                          .seed = 4};
    visit_let_go(v);
    visit_fill(teacher, BATCH * CLASSES, 99);
    TRY(images_of(v, &images));
    tleg_train_batch batch = {
        .struct_size = sizeof(batch), .size = BATCH, .images = images, .labels = labels, .teacher_logits = teacher};
    TRY(tleg_trainer_get_memory(v->context, v->gene, &options, &bytes));
    TRY(tleg_trainer_create(v->context, v->gene, &options, &v->trainer));
    TRY(tleg_trainer_backward(v->trainer, &batch, &loss));
    TRY(tleg_trainer_update(v->trainer, 1e-3));
    tleg_trainer_forget(v->trainer);
    MUST(tleg_trainer_get_steps(v->trainer) == 1);
    MUST(tleg_trainer_get_dtype(v->trainer) == TLEG_F32);
    visit_digest(v, &loss.total, sizeof(loss.total));
    TRY(tleg_trainer_save(v->context, v->trainer, path_of(v, "state.safetensors", path), 1, pairs));
    TRY(tleg_trainer_load(v->context, v->trainer, path));
    TRY(digest_file(v, path));
    TRY(tleg_trainer_copy_learngene(v->context, v->trainer, 1, &v->learned));
    batch.size = 99;
    MUST(tleg_trainer_backward(v->trainer, &batch, &loss) == TLEG_ERROR_ARGUMENT && tleg_trainer_get_error(v->trainer)[0]);
    return TLEG_OK;
}

static tleg_status tune_calls(struct visit *v) {
    static const int64_t labels[] = {4, 3, 2, 1, 0};
    float *images = NULL;
    double r2[6], rate = 0;
    tleg_tensor **gradient = visit_slot(v);
    const tleg_train_rate rates = {.struct_size = sizeof(rates), .epochs = 10, .warmup = 2, .peak = 1e-3, .steps = 5};
    const tleg_trainer_options options = {.struct_size = sizeof(options), .batch = BATCH, .checkpoint = 1, .dtype = TLEG_BF16};
    MUST(gradient);
    TRY(images_of(v, &images));
    const tleg_train_batch batch = {.struct_size = sizeof(batch), .size = BATCH, .images = images, .labels = labels};
    TRY(tleg_train_rate_of_step(NULL, &rates, 25, &rate));
    TRY(tleg_train_rate_of_epoch(NULL, &rates, 5, &rate));
    uint64_t bytes = 0;
    TRY(tleg_trainer_get_memory_for_model(v->context, v->model, &options, &bytes));
    TRY(tleg_trainer_create_for_model(v->context, v->model, &options, &v->tuner));
    TRY(tleg_trainer_backward(v->tuner, &batch, NULL));
    TRY(tleg_trainer_copy_gradient(v->context, v->tuner, tleg_trainer_get_parameter_name(v->tuner, 0), gradient));
    TRY(tleg_trainer_update(v->tuner, rate));
    TRY(tleg_trainer_copy_model(v->context, v->tuner, 0, &v->tuned));
    TRY(tleg_learngene_linearize(v->context, v->tuned, r2, 6, &v->fitted));
    visit_digest(v, r2, sizeof(r2));
    tleg_learngene_free(v->fitted);
    TRY(tleg_learngene_fit(v->context, v->tuned, "{\"qkv\":[[2,\"cosine\",2]]}", 1, r2, 6, &v->fitted));
    visit_digest(v, r2, sizeof(r2));
    char path[VISIT_TEXT + 64];
    TRY(tleg_model_export_onnx(v->context, v->tuned, path_of(v, "model.onnx", path), NULL));
    TRY(digest_file(v, path));
    return visit_digest_tensor(v, *gradient);
}

static const struct {
    const char *name;
    tleg_status (*call)(struct visit *v);
} parts[VISIT_PARTS] = {
    {"core", core_calls},
    {"clone", clone_calls},
    {"tensor", tensor_calls},
    {"file", file_calls},
    {"learngene", gene_calls},
    {"expander", expander_calls},
    {"model", model_calls},
    {"session", session_calls},
    {"block", visit_block_calls},
    {"ops", visit_op_calls},
    {"outer", visit_outer_op_calls},
    {"loss", visit_loss_calls},
    {"picture", picture_calls},
    {"train", train_calls},
    {"tune", tune_calls},
    {"generator", visit_generator_calls},
};

tleg_status visit_part(struct visit *v, int32_t part) {
    v->at = parts[part].name;
    return parts[part].call(v);
}

tleg_status visit_all(struct visit *v) {
    for (int32_t part = 0; part < VISIT_PARTS; part++)
        TRY(visit_part(v, part));
    return TLEG_OK;
}

void visit_close(struct visit *v) {
    visit_let_go(v);
    if (v->managed)
        v->managed->deleter(v->managed);
    tleg_session_free(v->session);
    tleg_session_free(v->half_session);
    tleg_session_free(v->elastic);
    tleg_generator_free(v->generator);
    tleg_generator_free(v->elastic_generator);
    tleg_trainer_free(v->trainer);
    tleg_trainer_free(v->tuner);
    tleg_block_free(v->block);
    tleg_model *models[] = {v->model, v->half_model, v->opened, v->parsed_model, v->tuned, v->read_model, v->drawing_model};
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
        tleg_model_free(models[i]);
    tleg_expander *expanders[] = {v->expander,        v->half,          v->from_file,
                                  v->parsed_expander, v->read_expander, v->drawing_expander};
    for (size_t i = 0; i < sizeof(expanders) / sizeof(expanders[0]); i++)
        tleg_expander_free(expanders[i]);
    tleg_learngene *genes[] = {v->gene, v->fresh, v->parsed, v->learned, v->fitted, v->read_gene};
    for (size_t i = 0; i < sizeof(genes) / sizeof(genes[0]); i++)
        tleg_learngene_free(genes[i]);
    tleg_file_free(v->saved);
    tleg_file_free(v->in_memory);
    tleg_file_free(v->of_source);
    free(v->workspace);
    free(v->bytes);
    free(v->model_bytes);
}
