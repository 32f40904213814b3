/* What a model's config.json says (Hugging Face's, OpenCLIP's; timm.c has timm's), as the rules "tleg.KEY = VALUE" that say the
 * same; and all texts beside the weights together. */
#include "names/beside.h"

#include <string.h>

/* ---- Hugging Face ---- */

/* What config.json says of sizes must be what the weights have. */
static tleg_status hold_sizes(struct tleg_beside *reader, size_t object) {
    const struct tleg_names_facts *facts = reader->facts;
    int64_t height, width;
    if (tleg_beside_pair(reader, tleg_beside_member(reader, object, "patch_size"), &height, &width) && facts->patch > 0 &&
        (height != facts->patch || width != facts->patch_width))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: patch_size is %lld x %lld, but the weights have %lld x %lld", reader->label, reader->name,
                         (long long)height, (long long)width, (long long)facts->patch, (long long)facts->patch_width);
    if (!tleg_beside_pair(reader, tleg_beside_member(reader, object, "image_size"), &height, &width))
        return TLEG_OK;
    if (!facts->placeless && height != width && !tleg_beside_fits_rows(facts, height, width))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: image_size is %lld x %lld, but the weights have %lld positions", reader->label, reader->name,
                         (long long)height, (long long)width, (long long)facts->rows);
    tleg_beside_put_image(reader, height, width);
    if (height != width || facts->patch < 1 || height / facts->patch == facts->image / facts->patch)
        return TLEG_OK;
    return tleg_beside_hold(reader, object, "image_size", facts->image);
}

/* The kinds of towers whose answers were compared with their own library's. Others have the names of one of them and compute
 * something else: rotary positions besides, patches in another order. */
static const char compared[] =
    "vit deit vit_msn vit_mae ijepa beit data2vec-vision dinov2 dinov2_with_registers dinov3_vit dpt clip_vision_model "
    "chinese_clip_vision_model altclip_vision_model clipseg_vision_model metaclip_2_vision_model git_vision_model "
    "kosmos_2_vision_model siglip_vision_model siglip2_vision_model idefics2_vision idefics3_vision smolvlm_vision "
    "internvl_vision aimv2_vision_model";

static tleg_status check_type(const struct tleg_beside *reader, size_t object) {
    const char *family = reader->facts->family;
    char type[TLEG_BESIDE_WORD];
    tleg_beside_word(reader, object, "model_type", type);
    if (!family || strncmp(family, "a Hugging Face", 14) != 0 || !*type || tleg_list_has(compared, type, strlen(type)))
        return TLEG_OK;
    return tleg_fail(
        reader->context, TLEG_ERROR_UNSUPPORTED,
        "%s: %s: model_type \"%s\" is not known here: the tensors have the names of %s, which does not say that the "
        "same is computed; if it is, let model_type be that one's, else torch.onnx.export writes a file that says all",
        reader->label, reader->name, type, family);
}

static tleg_status read_hugging_face(struct tleg_beside *reader, size_t object) {
    const struct tleg_names_facts *facts = reader->facts;
    const struct {
        const char *key;
        int64_t weights;
    } held[] = {{"hidden_size", facts->dim},
                {"num_hidden_layers", facts->depth},
                {"intermediate_size", facts->hidden},
                {"patch_size", facts->patch},
                {"num_channels", facts->channels}};
    tleg_status status = check_type(reader, object);
    for (size_t k = 0; k < sizeof held / sizeof *held && status == TLEG_OK; k++)
        status = tleg_beside_hold(reader, object, held[k].key, held[k].weights);
    int64_t heads = 0;
    if (status == TLEG_OK)
        status = tleg_beside_integer(reader, object, "num_attention_heads", &heads);
    if (heads > 0 && facts->attention % heads != 0)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: num_attention_heads: expected a divisor of attention's width %lld, found %lld", reader->label,
                         reader->name, (long long)facts->attention, (long long)heads);
    if (heads > 0)
        tleg_beside_put_integer(reader, "tleg.heads", heads);
    if (status == TLEG_OK)
        status = tleg_beside_pass_number(reader, object, "layer_norm_eps", "tleg.eps");
    if (status == TLEG_OK)
        status = tleg_beside_pass_number(reader, object, "rms_norm_eps", "tleg.eps");
    if (status == TLEG_OK && facts->placeless)
        status = tleg_beside_pass_number(reader, object, "rope_theta", "tleg.rotary_base");
    if (status == TLEG_OK)
        status = hold_sizes(reader, object);
    if (status != TLEG_OK)
        return status;
    if (tleg_beside_is(reader, object, "use_swiglu_ffn", TLEG_JSON_TRUE)) { /* DINOv2: whatever hidden_act says */
        tleg_beside_put(reader, "tleg.activation", "silu");
        return TLEG_OK;
    }
    return tleg_beside_pass_word(reader, object, "hidden_act", "tleg.activation", tleg_beside_activations);
}

/* ---- OpenCLIP ---- */

/* A tower of OpenCLIP's own. */
static tleg_status read_own_tower(struct tleg_beside *reader, size_t tower, bool quick) {
    static const char *const own_pools[][2] = {{"tok", "cls"}, {"avg", "mean"}, {NULL, NULL}};
    static const char *const gelus[][2] = {{"none", "gelu"}, {"tanh", "gelu_tanh"}, {NULL, NULL}};
    const size_t act = tleg_beside_member(reader, tower, "act_kwargs");
    const bool approximate = !quick && tleg_beside_has_member(reader, act, "approximate");
    int64_t head = 64;
    tleg_status status = tleg_beside_integer(reader, tower, "head_width", &head);
    if (status == TLEG_OK && head > 0 && reader->facts->dim > 0 && reader->facts->dim % head == 0)
        tleg_beside_put_integer(reader, "tleg.heads", reader->facts->dim / head);
    if (tleg_beside_has(reader, tower) && !tleg_beside_has_member(reader, tower, "pool_type"))
        tleg_beside_put(reader, "tleg.pool", "cls"); /* OpenCLIP's own choice */
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, tower, "pool_type", "tleg.pool", own_pools);
    char pool[TLEG_BESIDE_WORD];
    if (tleg_beside_is(reader, tower, "final_ln_after_pool", TLEG_JSON_TRUE))
        tleg_beside_put(reader, "tleg.norm", "after_pool");
    else if (strcmp(tleg_beside_word(reader, tower, "pool_type", pool), "avg") == 0)
        tleg_beside_put(reader, "tleg.norm", "before_pool");
    if (quick)
        tleg_beside_put(reader, "tleg.activation", "quick_gelu");
    else if (!approximate)
        tleg_beside_put(reader, "tleg.activation", "gelu");
    else if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, act, "approximate", "tleg.activation", gelus);
    return status == TLEG_OK
               ? tleg_beside_pass_number(reader, tleg_beside_member(reader, tower, "norm_kwargs"), "eps", "tleg.eps")
               : status;
}

static tleg_status read_open_clip(struct tleg_beside *reader, size_t object) {
    static const char *const fits[][2] = {{"shortest", "crop"}, {"squash", "squash"}, TLEG_BESIDE_ANY};
    const size_t tower = tleg_beside_member(reader, object, "vision_cfg"),
                 pictures = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "preprocess_cfg");
    const bool quick = tleg_beside_is(reader, object, "quick_gelu", TLEG_JSON_TRUE);
    char name[TLEG_BESIDE_WORD];
    tleg_status status = tleg_beside_hold(reader, tower, "width", reader->facts->dim);
    if (status == TLEG_OK)
        status = tleg_beside_hold(reader, tower, "layers", reader->facts->depth);
    if (status == TLEG_OK)
        status = tleg_beside_hold(reader, tower, "patch_size", reader->facts->patch);
    tleg_beside_word(reader, tower, "timm_model_name", name);
    if (status == TLEG_OK)
        status = *name ? tleg_beside_timm_tower(reader, tower, name) : read_own_tower(reader, tower, quick);
    tleg_beside_put(reader, "tleg.crop", "1");
    if (status == TLEG_OK)
        status = tleg_beside_pass_colours(reader, pictures, "mean", "std", 1);
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, pictures, "resize_mode", "tleg.fit", fits);
    return status == TLEG_OK
               ? tleg_beside_pass_word(reader, pictures, "interpolation", "tleg.interpolation", tleg_beside_filters)
               : status;
}

/* What is said of the Vision Transformer, where it is a part of something larger. */
static size_t find_tower(const struct tleg_beside *reader) {
    static const char *const parts[] = {"vision_config", "encoder", "backbone_config"};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        const size_t part = tleg_beside_member(reader, TLEG_BESIDE_ROOT, parts[k]);
        if (tleg_json_kind(reader->json, part) == TLEG_JSON_OBJECT)
            return part;
    }
    return TLEG_BESIDE_ROOT;
}

/* Where probabilities of classes are not to sum to 1. Said once. */
static void note_problem(const struct tleg_beside *reader) {
    char word[TLEG_BESIDE_WORD];
    tleg_beside_word(reader, TLEG_BESIDE_ROOT, "problem_type", word);
    if (!reader->text.out && reader->facts->classes > 0 && *word && strcmp(word, "single_label_classification") != 0)
        tleg_log(reader->context,
                 "%s: %s: problem_type is \"%s\": a softmax of its answers means nothing (tleg classify --sigmoid: each by "
                 "itself)",
                 reader->label, reader->name, word);
}

static tleg_status read_config(struct tleg_beside *reader) {
    const size_t open_clip = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "model_cfg");
    if (tleg_beside_has(reader, open_clip))
        return read_open_clip(reader, open_clip);
    if (tleg_beside_has_member(reader, TLEG_BESIDE_ROOT, "architecture") ||
        tleg_beside_has_member(reader, TLEG_BESIDE_ROOT, "pretrained_cfg"))
        return tleg_beside_timm(reader);
    if (!tleg_beside_has_member(reader, TLEG_BESIDE_ROOT, "model_type") &&
        !tleg_beside_has_member(reader, TLEG_BESIDE_ROOT, "architectures"))
        return TLEG_OK; /* of something else */
    const tleg_status status = read_hugging_face(reader, find_tower(reader));
    note_problem(reader);
    return status == TLEG_OK ? tleg_beside_pass_labels(reader, TLEG_BESIDE_ROOT, "id2label", false) : status;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    tleg_status (*read)(struct tleg_beside *reader);
    const char *part; /* the object of it that is read; NULL: all of it */
} texts[] = {{"processor_config.json", tleg_beside_pictures, "image_processor"},
             {"preprocessor_config.json", tleg_beside_pictures, NULL},
             {"config.json", read_config, NULL},
             {"open_clip_config.json", read_config, NULL}};
enum { TEXTS = sizeof texts / sizeof *texts };

bool tleg_names_is_config(const char *key) {
    for (size_t k = 0; k < TEXTS; k++)
        if (strcmp(texts[k].name, key) == 0)
            return true;
    return false;
}

/* One text, unless the part that is read is not there. */
static tleg_status read_one(struct tleg_beside *reader, size_t k, const char *text, bool *read) {
    struct tleg_json json;
    tleg_status status = tleg_beside_parse(reader, texts[k].name, text, &json);
    if (status != TLEG_OK)
        return status;
    reader->name = texts[k].name;
    reader->json = &json;
    reader->root = texts[k].part ? tleg_beside_member(reader, TLEG_BESIDE_ROOT, texts[k].part) : TLEG_BESIDE_ROOT;
    *read = tleg_json_kind(&json, reader->root) == TLEG_JSON_OBJECT;
    if (*read)
        status = texts[k].read(reader);
    tleg_json_free(&json);
    return status;
}

static tleg_status read_all(tleg_context *context, const tleg_file *file, const struct tleg_names_facts *facts,
                            struct tleg_text *out) {
    struct tleg_beside reader = {
        .context = context, .label = tleg_file_label(file), .text = *out, .facts = facts, .file = file};
    tleg_status status = TLEG_OK;
    bool prepared = false; /* as the first text says, in place of the second */
    for (size_t k = 0; k < TEXTS && status == TLEG_OK; k++) {
        const char *text = tleg_file_get_metadata(file, texts[k].name);
        bool read = false;
        if (text && !(k == 1 && prepared))
            status = read_one(&reader, k, text, &read);
        prepared = prepared || read;
    }
    *out = reader.text;
    tleg_text_byte(out, '\0');
    return status;
}

tleg_status tleg_names_config(tleg_context *context, const tleg_file *file, const struct tleg_names_facts *facts, char **rules,
                              size_t *bytes) {
    struct tleg_text text = {0};
    *rules = NULL;
    *bytes = 0;
    tleg_status status = read_all(context, file, facts, &text);
    if (status != TLEG_OK)
        return status;
    char *memory = tleg_alloc(&context->allocator, text.length);
    if (!memory)
        return tleg_fail_memory(context, "config.json", text.length);
    *rules = memory;
    *bytes = text.length;
    text = (struct tleg_text){memory, 0};
    status = read_all(context, file, facts, &text);
    if (status == TLEG_OK && text.length > 1 && facts->dim > 0 && !strstr(memory, "tleg.heads = ") &&
        !tleg_file_get_metadata(file, "tleg.heads"))
        tleg_log(
            context,
            "%s: what stands beside the weights does not say how many heads there are: unless it is told, as many as known "
            "models of its width have are assumed",
            tleg_file_label(file));
    return status;
}
