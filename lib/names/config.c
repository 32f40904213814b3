/* What a model's config.json says (Hugging Face's, timm's, OpenCLIP's) and how its pictures are prepared, as the rules
 * "tleg.KEY = VALUE" that say the same. */
#include "config/limits.h"
#include "config/text.h"
#include "names/private.h"

#include <math.h>
#include <string.h>

struct reader {
    tleg_context *context;
    const char *label, *name; /* of the file and of the text, for errors */
    const struct tleg_json *json;
    struct tleg_text text; /* the rules, measured first */
    const struct tleg_names_facts *facts;
    const tleg_file *file;
};

/* ---- members ---- */

static const size_t root = 0;

/* The value of an object's member, or a token of kind NONE. */
static size_t member(const struct reader *reader, size_t object, const char *key) {
    const struct tleg_json *json = reader->json;
    const size_t length = strlen(key);
    if (tleg_json_kind(json, object) != TLEG_JSON_OBJECT)
        return json->count;
    size_t token = object + 1;
    for (size_t k = tleg_json_size(json, object); k > 0; k--, token = tleg_json_next(json, token + 1)) {
        size_t found;
        const char *source = tleg_json_source(json, token, &found);
        if (found == length && memcmp(source, key, length) == 0)
            return token + 1;
    }
    return json->count;
}

static bool is_there(const struct reader *reader, size_t token) {
    const enum tleg_json_kind kind = tleg_json_kind(reader->json, token);
    return kind != TLEG_JSON_NONE && kind != TLEG_JSON_NULL;
}

/* A number; false when the member is absent. FORMAT when it is something else. */
static tleg_status number(const struct reader *reader, size_t object, const char *key, bool *found, double *value) {
    const size_t token = member(reader, object, key);
    size_t length;
    *found = is_there(reader, token);
    if (!*found)
        return TLEG_OK;
    const char *source = tleg_json_source(reader->json, token, &length);
    if (tleg_json_kind(reader->json, token) == TLEG_JSON_NUMBER && tleg_number_parse(source, length, value))
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a number", reader->label, reader->name, key);
}

static tleg_status integer(const struct reader *reader, size_t object, const char *key, int64_t *value) {
    const size_t token = member(reader, object, key);
    if (!is_there(reader, token) || tleg_json_kind(reader->json, token) == TLEG_JSON_ARRAY)
        return TLEG_OK;
    if (tleg_json_integer(reader->json, token, value) && *value >= 0)
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a whole number", reader->label, reader->name,
                     key);
}

enum { WORD = 64 };

/* A short text, or "" when the member is absent or something else. */
static const char *word(const struct reader *reader, size_t object, const char *key, char out[WORD]) {
    if (tleg_json_string(reader->json, member(reader, object, key), out, WORD) == SIZE_MAX)
        *out = '\0';
    return out;
}

static bool is(const struct reader *reader, size_t object, const char *key, enum tleg_json_kind kind) {
    return tleg_json_kind(reader->json, member(reader, object, key)) == kind;
}

/* ---- rules ---- */

static void put(struct reader *reader, const char *key, const char *value) {
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    tleg_text_put(&reader->text, value);
    tleg_text_byte(&reader->text, '\n');
}

static void put_number(struct reader *reader, const char *key, double value) {
    char text[TLEG_NUMBER_TEXT];
    tleg_number_format(value, text);
    put(reader, key, text);
}

static void put_integer(struct reader *reader, const char *key, int64_t value) {
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    tleg_text_integer(&reader->text, value);
    tleg_text_byte(&reader->text, '\n');
}

/* A height and, where it is another, a width. */
static void put_extent(struct reader *reader, const char *key, int64_t height, int64_t width) {
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    tleg_text_integer(&reader->text, height);
    if (width != height) {
        tleg_text_byte(&reader->text, 'x');
        tleg_text_integer(&reader->text, width);
    }
    tleg_text_byte(&reader->text, '\n');
}

static tleg_status pass_number(struct reader *reader, size_t object, const char *from, const char *key) {
    double value;
    bool found;
    const tleg_status status = number(reader, object, from, &found, &value);
    if (status == TLEG_OK && found)
        put_number(reader, key, value);
    return status;
}

/* One of `words`, which stand in pairs, theirs and ours; UNSUPPORTED names another, unless the pair that ends them is ANY. */
#define ANY                                                                                                                    \
    { NULL, "" } /* stays as it is: whoever reads the key refuses it, or the host says another */
static tleg_status pass_word(struct reader *reader, size_t object, const char *from, const char *key,
                             const char *const (*words)[2]) {
    char text[WORD];
    if (!is_there(reader, member(reader, object, from)))
        return TLEG_OK;
    word(reader, object, from, text);
    for (; (*words)[0]; words++)
        if (strcmp((*words)[0], text) == 0) {
            if ((*words)[1])
                put(reader, key, (*words)[1]);
            return TLEG_OK;
        }
    if ((*words)[1] && *text && !strchr(text, '\n')) {
        put(reader, key, text);
        return TLEG_OK;
    }
    return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED, "%s: %s: %s is \"%s\", which this library does not compute",
                     reader->label, reader->name, from, text);
}

/* Mean or std: three numbers or one, of pictures whose pixels are taken times `factor` rather than / 255. */
static tleg_status pass_colours(struct reader *reader, size_t object, const char *from, const char *key, double factor) {
    const size_t list = member(reader, object, from);
    const size_t count = tleg_json_kind(reader->json, list) == TLEG_JSON_ARRAY ? tleg_json_size(reader->json, list) : 0;
    if (!is_there(reader, list))
        return TLEG_OK;
    if (count != 3 && count != 1)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a list of 3 numbers, found %zu",
                         reader->label, reader->name, from, count);
    tleg_text_put(&reader->text, key);
    tleg_text_put(&reader->text, " = ");
    for (size_t k = 0; k < 3; k++) {
        char text[TLEG_NUMBER_TEXT];
        double value = 0;
        size_t length;
        const char *source = tleg_json_source(reader->json, list + 1 + (count == 3 ? k : 0), &length);
        if (!tleg_number_parse(source, length, &value))
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected numbers alone", reader->label,
                             reader->name, from);
        tleg_number_format(value / factor, text);
        tleg_text_put(&reader->text, k ? "," : "");
        tleg_text_put(&reader->text, text);
    }
    tleg_text_byte(&reader->text, '\n');
    return TLEG_OK;
}

/* ---- labels ---- */

/* The token of the name of class k in {"0": "cat", ...}; the objects are in order as a rule, so `hint` is looked at first. */
static size_t label_of(const struct reader *reader, size_t object, int64_t k, size_t hint) {
    char key[24];
    struct tleg_text text = {key, 0};
    tleg_text_integer(&text, k);
    tleg_text_byte(&text, '\0');
    size_t length;
    const char *source = tleg_json_source(reader->json, hint, &length);
    if (source && length == text.length - 1 && memcmp(source, key, length) == 0)
        return hint + 1;
    return member(reader, object, key);
}

/* A name without the quotes around it, as JSON writes it. */
static void put_label(struct reader *reader, size_t token, bool first) {
    size_t length;
    const char *source = tleg_json_source(reader->json, token, &length);
    tleg_text_put(&reader->text, first ? "[\"" : ", \"");
    for (size_t k = 0; k < length; k++)
        tleg_text_byte(&reader->text, source[k]);
    tleg_text_byte(&reader->text, '"');
}

static bool is_generic(const struct reader *reader, size_t token) {
    size_t length;
    const char *source = tleg_json_source(reader->json, token, &length);
    return length > 6 && memcmp(source, "LABEL_", 6) == 0;
}

/* id2label, an object of numbers and names; names that say nothing (LABEL_0) are left out. */
static tleg_status pass_labels(struct reader *reader, size_t object) {
    const size_t map = member(reader, object, "id2label");
    const int64_t count =
        tleg_json_kind(reader->json, map) == TLEG_JSON_OBJECT ? (int64_t)tleg_json_size(reader->json, map) : 0;
    if (count == 0 || reader->facts->classes != count || is_generic(reader, label_of(reader, map, 0, map + 1)))
        return TLEG_OK;
    size_t token = map + 1;
    tleg_text_put(&reader->text, "tleg.labels = ");
    for (int64_t k = 0; k < count; k++, token = tleg_json_next(reader->json, token + 1)) {
        const size_t label = label_of(reader, map, k, token);
        if (tleg_json_kind(reader->json, label) != TLEG_JSON_STRING)
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: id2label: expected a name for class %lld of %lld",
                             reader->label, reader->name, (long long)k, (long long)count);
        put_label(reader, label, k == 0);
    }
    tleg_text_put(&reader->text, "]\n");
    return TLEG_OK;
}

/* timm's label_names, a list. */
static tleg_status pass_label_names(struct reader *reader, size_t object) {
    const size_t list = member(reader, object, "label_names");
    const size_t count = tleg_json_kind(reader->json, list) == TLEG_JSON_ARRAY ? tleg_json_size(reader->json, list) : 0;
    if (count == 0 || reader->facts->classes == 0)
        return TLEG_OK;
    if (reader->facts->classes != (int64_t)count)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: label_names are %llu, but the weights have %lld classes",
                         reader->label, reader->name, (unsigned long long)count, (long long)reader->facts->classes);
    tleg_text_put(&reader->text, "tleg.labels = ");
    for (size_t k = 0; k < count; k++) {
        if (tleg_json_kind(reader->json, list + 1 + k) != TLEG_JSON_STRING)
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: label_names: expected names alone", reader->label,
                             reader->name);
        put_label(reader, list + 1 + k, k == 0);
    }
    tleg_text_put(&reader->text, "]\n");
    return TLEG_OK;
}

/* ---- what a number of the weights must be ---- */

static tleg_status hold(const struct reader *reader, size_t object, const char *key, int64_t weights) {
    int64_t value = 0;
    const tleg_status status = integer(reader, object, key, &value);
    if (status != TLEG_OK || value == 0 || weights == 0 || value == weights)
        return status;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s is %lld, but the weights have %lld", reader->label,
                     reader->name, key, (long long)value, (long long)weights);
}

/* ---- pictures and patches, which need not be square ---- */

/* A height and a width: a list of two, or one number for both. False when it is neither. */
static bool read_pair(const struct reader *reader, size_t token, int64_t *height, int64_t *width) {
    const struct tleg_json *json = reader->json;
    if (tleg_json_kind(json, token) == TLEG_JSON_ARRAY && tleg_json_size(json, token) == 2)
        return tleg_json_integer(json, token + 1, height) && tleg_json_integer(json, token + 2, width) && *height > 0 &&
               *width > 0;
    *width = tleg_json_kind(json, token) == TLEG_JSON_NUMBER && tleg_json_integer(json, token, height) ? *height : 0;
    return *width > 0;
}

/* Whether a position embedding of so many rows may be that of such pictures: all tokens before the patches may have a row, or
 * all but the registers, or none. */
static bool fits_rows(const struct tleg_names_facts *facts, int64_t height, int64_t width) {
    if (facts->patch < 1 || facts->patch_width < 1)
        return false;
    const int64_t rows = height / facts->patch, columns = width / facts->patch_width;
    const int64_t patches = rows <= TLEG_MAX_GRID && columns <= TLEG_MAX_GRID ? rows * columns : 0,
                  more = facts->rows - patches;
    return patches > 0 && (more == facts->prefix || more == facts->prefix - facts->registers || more == 0);
}

/* Pictures of this size, where there is no position embedding or they fit it. */
static void put_image(struct reader *reader, int64_t height, int64_t width) {
    const struct tleg_names_facts *facts = reader->facts;
    if (!facts->placeless && !fits_rows(facts, height, width))
        return;
    put_extent(reader, "tleg.image_size", height, width);
}

/* ---- Hugging Face ---- */

/* What config.json says of sizes must be what the weights have. */
static tleg_status hold_sizes(struct reader *reader, size_t object) {
    const struct tleg_names_facts *facts = reader->facts;
    int64_t height, width;
    if (read_pair(reader, member(reader, object, "patch_size"), &height, &width) && facts->patch > 0 &&
        (height != facts->patch || width != facts->patch_width))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: patch_size is %lld x %lld, but the weights have %lld x %lld", reader->label, reader->name,
                         (long long)height, (long long)width, (long long)facts->patch, (long long)facts->patch_width);
    if (!read_pair(reader, member(reader, object, "image_size"), &height, &width))
        return TLEG_OK;
    if (!facts->placeless && height != width && !fits_rows(facts, height, width))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: image_size is %lld x %lld, but the weights have %lld positions", reader->label, reader->name,
                         (long long)height, (long long)width, (long long)facts->rows);
    put_image(reader, height, width);
    if (height != width || facts->patch < 1 || height / facts->patch == facts->image / facts->patch)
        return TLEG_OK;
    return hold(reader, object, "image_size", facts->image);
}

static const char *const activations[][2] = {{"gelu", "gelu"},
                                             {"gelu_python", "gelu"},
                                             {"quick_gelu", "quick_gelu"},
                                             {"quickgelu", "quick_gelu"},
                                             {"gelu_tanh", "gelu_tanh"},
                                             {"gelu_pytorch_tanh", "gelu_tanh"},
                                             {"gelu_new", "gelu_tanh"},
                                             {"gelu_fast", "gelu_tanh"},
                                             {"silu", "silu"},
                                             {"swish", "silu"},
                                             {"relu", "relu"},
                                             {NULL, NULL}};

/* The kinds of towers whose answers were compared with their own library's. Others have the names of one of them and compute
 * something else: rotary positions besides, patches in another order. */
static const char compared[] =
    "vit deit vit_msn vit_mae ijepa beit data2vec-vision dinov2 dinov2_with_registers dinov3_vit dpt clip_vision_model "
    "chinese_clip_vision_model altclip_vision_model clipseg_vision_model metaclip_2_vision_model git_vision_model "
    "kosmos_2_vision_model siglip_vision_model siglip2_vision_model idefics2_vision idefics3_vision smolvlm_vision "
    "internvl_vision aimv2_vision_model";

static tleg_status check_type(const struct reader *reader, size_t object) {
    const char *family = reader->facts->family;
    char type[WORD];
    word(reader, object, "model_type", type);
    if (!family || strncmp(family, "a Hugging Face", 14) != 0 || !*type || tleg_list_has(compared, type, strlen(type)))
        return TLEG_OK;
    return tleg_fail(
        reader->context, TLEG_ERROR_UNSUPPORTED,
        "%s: %s: model_type \"%s\" is not known here: the tensors have the names of %s, which does not say that the "
        "same is computed; if it is, let model_type be that one's, else torch.onnx.export writes a file that says all",
        reader->label, reader->name, type, family);
}

static tleg_status read_hugging_face(struct reader *reader, size_t object) {
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
        status = hold(reader, object, held[k].key, held[k].weights);
    int64_t heads = 0;
    if (status == TLEG_OK)
        status = integer(reader, object, "num_attention_heads", &heads);
    if (heads > 0)
        put_integer(reader, "tleg.heads", heads);
    if (status == TLEG_OK)
        status = pass_number(reader, object, "layer_norm_eps", "tleg.eps");
    if (status == TLEG_OK && facts->placeless)
        status = pass_number(reader, object, "rope_theta", "tleg.rotary_base");
    if (status == TLEG_OK)
        status = hold_sizes(reader, object);
    if (status != TLEG_OK)
        return status;
    if (is(reader, object, "use_swiglu_ffn", TLEG_JSON_TRUE)) { /* DINOv2: whatever hidden_act says */
        put(reader, "tleg.activation", "silu");
        return TLEG_OK;
    }
    return pass_word(reader, object, "hidden_act", "tleg.activation", activations);
}

/* ---- timm ---- */

static const char *const filters[][2] = {
    {"bicubic", "bicubic"}, {"bilinear", "bilinear"}, {"box", "box"}, {"", NULL}, {"random", NULL}, ANY};

/* Whether a block's norms stand after its branches, as neither names nor shapes of timm's say. */
static bool norms_after(const char *architecture) {
    return strstr(architecture, "_rpn_") || strstr(architecture, "eva02_enormous");
}

/* Of timm's SigLIPs some have GELU by tanh, the others the exact one. */
static bool has_gelu_tanh(const char *name) {
    const bool flexible = strncmp(name, "naflexvit_", 10) == 0;
    return strstr(name, flexible ? "_siglip" : "_siglip_") &&
           (flexible || strstr(name, "_giantopt_") || strstr(name, "_base_patch32_") || strstr(name, "_so400m_patch16_") ||
            (strstr(name, "_large_patch16_") && strstr(name, "_512")));
}

/* Whether the norms of an architecture have PyTorch's eps, not timm's. */
static bool has_wide_eps(const char *name) {
    return (strstr(name, "_clip_") && strncmp(name, "eva", 3) != 0) || strstr(name, "_dinov3") || strstr(name, "_lingbot") ||
           strstr(name, "vit_pe_") || strstr(name, "beit3_") || strstr(name, "aimv2_");
}

/* In which grid rotary positions are counted: that which a model was made with, or else its architecture's own. A Perception
 * Encoder's is that of the pictures which its name ends with, whatever the size of its own. */
static void put_rotary_grid(struct reader *reader, const char *name, bool is_encoder, size_t made) {
    int64_t height, width;
    if (read_pair(reader, made, &height, &width))
        put_extent(reader, "tleg.rotary_grid", height, width); /* two are refused: it is a square's */
    else if (is_encoder)
        put(reader, "tleg.rotary_grid",
            strstr(name, "_224")                           ? "14"
            : strstr(name, "_336") || strstr(name, "_384") ? "24"
                                                           : "32");
}

/* What rotary positions leave nowhere in the weights: what a model was made with, or else its architecture's own. */
static tleg_status put_rotary(struct reader *reader, const char *name, size_t args) {
    static const char *const orders[][2] = {{"ij", "yx"}, {"xy", "xy"}, {NULL, NULL}};
    const bool is_encoder = strstr(name, "vit_pe_") != NULL, has_own = strstr(name, "_rope_ape_") != NULL;
    double offset;
    bool found;
    tleg_status status = number(reader, args, "rope_grid_offset", &found, &offset);
    if (status == TLEG_OK)
        status = pass_number(reader, args, "rope_temperature", "tleg.rotary_base");
    if (status == TLEG_OK)
        status = pass_word(reader, args, "rope_grid_indexing", "tleg.rotary_order", orders);
    if (status != TLEG_OK)
        return status;
    if (found && offset == 1)
        put(reader, "tleg.rotary_offset", "1");
    else if (found && (offset != 0 || is_encoder))
        put_number(reader, "tleg.rotary_offset", offset); /* which is refused */
    if (is_there(reader, member(reader, args, "rope_rotate_half")))
        put(reader, "tleg.rotary_pairs", is(reader, args, "rope_rotate_half", TLEG_JSON_TRUE) ? "halves" : "neighbours");
    put_rotary_grid(reader, name, is_encoder, member(reader, args, "ref_feat_shape"));
    if (has_own)
        put(reader, "tleg.rotary", "index");
    if (has_own && !is_there(reader, member(reader, args, "rope_temperature")))
        put(reader, "tleg.rotary_base", "100");
    if (has_own && !is_there(reader, member(reader, args, "rope_grid_indexing")))
        put(reader, "tleg.rotary_order", "xy");
    return TLEG_OK;
}

/* The size of pictures, where no position embedding tells it: what the model was made with, or the pictures' own. */
static tleg_status pass_size(struct reader *reader, size_t object, size_t pictures) {
    const size_t made = member(reader, member(reader, object, "model_args"), "img_size");
    const size_t list = member(reader, pictures, "input_size");
    int64_t height = 0, width = 0;
    if (read_pair(reader, made, &height, &width)) {
        put_image(reader, height, width);
        return TLEG_OK;
    }
    if (tleg_json_kind(reader->json, list) != TLEG_JSON_ARRAY)
        return TLEG_OK;
    if (tleg_json_size(reader->json, list) != 3 || !tleg_json_integer(reader->json, list + 2, &height) ||
        !tleg_json_integer(reader->json, list + 3, &width) || height < 1 || width < 1)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: input_size: expected channels, height and width",
                         reader->label, reader->name);
    put_image(reader, height, width);
    return TLEG_OK;
}

/* What a model was made with must be what the weights have; but a hybrid's patches are another network's, and a NaFlexVit
 * passes over how large pictures are. */
static tleg_status hold_made(struct reader *reader, size_t args, const char *architecture) {
    const struct tleg_names_facts *facts = reader->facts;
    const bool sized = facts->rows > 0 && facts->patch > 0 && strncmp(architecture, "naflexvit_", 10) != 0;
    const struct {
        const char *key;
        int64_t weights;
    } held[] = {
        {"embed_dim", facts->dim}, {"depth", facts->depth}, {"in_chans", facts->channels}, {"reg_tokens", facts->registers}};
    int64_t height, width;
    tleg_status status = TLEG_OK;
    if (facts->channels > TLEG_MAX_CHANNELS)
        return TLEG_OK;
    for (size_t k = 0; k < sizeof held / sizeof *held && status == TLEG_OK; k++)
        status = hold(reader, args, held[k].key, held[k].weights);
    if (status == TLEG_OK && sized && read_pair(reader, member(reader, args, "img_size"), &height, &width) &&
        !fits_rows(facts, height, width))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: img_size is %lld x %lld, but the weights have %lld positions, for patches of %lld x %lld",
                         reader->label, reader->name, (long long)height, (long long)width, (long long)facts->rows,
                         (long long)facts->patch, (long long)facts->patch_width);
    return status;
}

/* What a model was made with, beside its architecture's own choices. */
static tleg_status read_model_args(struct reader *reader, size_t args, const char *architecture, bool *activation) {
    int64_t heads = 0;
    tleg_status status = hold_made(reader, args, architecture);
    if (status == TLEG_OK)
        status = integer(reader, args, "num_heads", &heads);
    if (status == TLEG_OK && heads > 0)
        put_integer(reader, "tleg.heads", heads);
    *activation = tleg_json_kind(reader->json, member(reader, args, "act_layer")) == TLEG_JSON_STRING;
    return status == TLEG_OK && *activation ? pass_word(reader, args, "act_layer", "tleg.activation", activations) : status;
}

static tleg_status read_timm(struct reader *reader, size_t object) {
    static const char *const fits[][2] = {{"center", "crop"}, {"squash", "squash"}, ANY};
    static const char *const pools[][2] = {{"token", "cls"}, {"avg", "mean"}, {"max", "max"}, {"avgmax", "mean_max"},
                                           {"map", NULL},    {"", NULL},      {NULL, NULL}};
    static const char *const of_all[][2] = {{"token", "cls"}, {"avg", "mean_all"}, {"map", NULL}, {"", NULL}, {NULL, NULL}};
    char name[WORD];
    bool activation = false;
    const size_t given = member(reader, object, "pretrained_cfg"), pictures = is_there(reader, given) ? given : object;
    const size_t args = member(reader, object, "model_args");
    tleg_status status = hold(reader, object, "num_features", reader->facts->dim);
    if (status == TLEG_OK && reader->facts->classes > 0)
        status = hold(reader, object, "num_classes", reader->facts->classes);
    if (status == TLEG_OK)
        status = pass_word(reader, object, "global_pool", "tleg.pool",
                           is(reader, args, "pool_include_prefix", TLEG_JSON_TRUE) ? of_all : pools);
    word(reader, object, "architecture", name);
    if (status == TLEG_OK)
        status = read_model_args(reader, args, name, &activation);
    if (status == TLEG_OK)
        status = put_rotary(reader, name, args);
    if (status == TLEG_OK)
        status = pass_size(reader, object, pictures);
    if (strstr(name, "test_vit3")) /* timm's only pool that reads registers */
        put(reader, "tleg.pool", "attention");
    if (norms_after(name))
        put(reader, "tleg.branch_norm", "after");
    if (!activation && strstr(name, "quickgelu"))
        put(reader, "tleg.activation", "quick_gelu");
    if (!activation && has_gelu_tanh(name))
        put(reader, "tleg.activation", "gelu_tanh");
    put(reader, "tleg.eps", has_wide_eps(name) ? "1e-5" : "1e-6"); /* as timm makes them */
    if (status == TLEG_OK)
        status = pass_colours(reader, pictures, "mean", "tleg.mean", 1);
    if (status == TLEG_OK)
        status = pass_colours(reader, pictures, "std", "tleg.std", 1);
    if (status == TLEG_OK)
        status = pass_number(reader, pictures, "crop_pct", "tleg.crop");
    if (status == TLEG_OK)
        status = pass_word(reader, pictures, "crop_mode", "tleg.fit", fits);
    if (status == TLEG_OK)
        status = pass_word(reader, pictures, "interpolation", "tleg.interpolation", filters);
    return status == TLEG_OK
               ? pass_label_names(reader, is_there(reader, member(reader, object, "label_names")) ? object : pictures)
               : status;
}

/* ---- OpenCLIP ---- */

static tleg_status read_open_clip(struct reader *reader, size_t object) {
    static const char *const pools[][2] = {{"tok", "cls"}, {"avg", "mean"}, {NULL, NULL}};
    static const char *const fits[][2] = {{"shortest", "crop"}, {"squash", "squash"}, ANY};
    const size_t tower = member(reader, object, "vision_cfg"), pictures = member(reader, root, "preprocess_cfg");
    tleg_status status = hold(reader, tower, "width", reader->facts->dim);
    if (status == TLEG_OK)
        status = hold(reader, tower, "layers", reader->facts->depth);
    if (status == TLEG_OK)
        status = hold(reader, tower, "patch_size", reader->facts->patch);
    int64_t head = 64;
    if (status == TLEG_OK)
        status = integer(reader, tower, "head_width", &head);
    if (head > 0 && reader->facts->dim > 0 && reader->facts->dim % head == 0)
        put_integer(reader, "tleg.heads", reader->facts->dim / head);
    if (status == TLEG_OK)
        status = pass_word(reader, tower, "pool_type", "tleg.pool", pools);
    if (is(reader, tower, "final_ln_after_pool", TLEG_JSON_TRUE))
        put(reader, "tleg.norm", "after_pool");
    if (is(reader, object, "quick_gelu", TLEG_JSON_TRUE))
        put(reader, "tleg.activation", "quick_gelu");
    else if (!is_there(reader, member(reader, tower, "timm_model_name")))
        put(reader, "tleg.activation", "gelu");
    put(reader, "tleg.crop", "1");
    if (status == TLEG_OK)
        status = pass_colours(reader, pictures, "mean", "tleg.mean", 1);
    if (status == TLEG_OK)
        status = pass_colours(reader, pictures, "std", "tleg.std", 1);
    if (status == TLEG_OK)
        status = pass_word(reader, pictures, "resize_mode", "tleg.fit", fits);
    return status == TLEG_OK ? pass_word(reader, pictures, "interpolation", "tleg.interpolation", filters) : status;
}

/* What is said of the Vision Transformer, where it is a part of something larger. */
static size_t find_tower(const struct reader *reader) {
    static const char *const parts[] = {"vision_config", "encoder", "backbone_config"};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        const size_t part = member(reader, root, parts[k]);
        if (tleg_json_kind(reader->json, part) == TLEG_JSON_OBJECT)
            return part;
    }
    return root;
}

static tleg_status read_config(struct reader *reader) {
    const size_t open_clip = member(reader, root, "model_cfg");
    if (is_there(reader, open_clip))
        return read_open_clip(reader, open_clip);
    if (is_there(reader, member(reader, root, "architecture")) || is_there(reader, member(reader, root, "pretrained_cfg")))
        return read_timm(reader, root);
    if (!is_there(reader, member(reader, root, "model_type")) && !is_there(reader, member(reader, root, "architectures")))
        return TLEG_OK; /* of something else */
    const tleg_status status = read_hugging_face(reader, find_tower(reader));
    return status == TLEG_OK ? pass_labels(reader, root) : status;
}

/* ---- preprocessor_config.json ---- */

/* Image processors of transformers, by what they do where preprocessor_config.json does not say it: their names ("ViT" of
 * ViTImageProcessor and ViTFeatureExtractor) and the kinds of models whose they are. */
enum processor {
    LIKE_VIT,    /* a size of one number is that of both sides; bilinear, all others bicubic */
    LIKE_BEIT,   /* of both sides */
    LIKE_DEIT,   /* of both sides, and the centre is cropped */
    LIKE_CLIP,   /* of the shorter side, and the centre is cropped */
    LIKE_SIGLIP, /* of the shorter side */
    UNKNOWN
};
static const char *const processors[] = {"ViT DINOv3ViT vit vit_mae ijepa", "Beit DPT GotOcr2 beit data2vec-vision dpt",
                                         "DeiT deit", "CLIP ChineseCLIP Bit clip dinov2", "Siglip siglip"};

/* The model_type of a config.json beside it, or "". */
static tleg_status model_type(const struct reader *reader, char out[WORD]) {
    static const char name[] = "config.json";
    const char *text = tleg_file_get_metadata(reader->file, name);
    struct tleg_json json;
    if (!text)
        return TLEG_OK;
    const tleg_status status = tleg_json_parse(reader->context, name, text, strlen(text), &json);
    if (status != TLEG_OK)
        return status;
    const struct reader beside = {.json = &json};
    word(&beside, root, "model_type", out);
    tleg_json_free(&json);
    return TLEG_OK;
}

/* By the text, or else by the kind of the model. */
static tleg_status find_processor(const struct reader *reader, enum processor *processor) {
    char name[WORD], *end;
    tleg_status status = TLEG_OK;
    if (!*word(reader, root, "image_processor_type", name) && !*word(reader, root, "feature_extractor_type", name))
        status = model_type(reader, name);
    if ((end = strstr(name, "ImageProcessor")) != NULL || (end = strstr(name, "FeatureExtractor")) != NULL)
        *end = '\0';
    *processor = LIKE_VIT;
    while (*processor < UNKNOWN && !tleg_list_has(processors[*processor], name, strlen(name)))
        ++*processor;
    return status;
}

/* A size: {"shortest_edge": n}, which is its height and width then; {"height": n, "width": n} or [n, n], where both are said;
 * or a number, which is either. 0 when it is absent. */
struct size {
    int64_t height, width;
    bool both;
};

static tleg_status read_size(const struct reader *reader, const char *key, bool square, struct size *size) {
    const size_t token = member(reader, root, key);
    const bool plain = tleg_json_kind(reader->json, token) == TLEG_JSON_NUMBER;
    int64_t shortest = 0;
    *size = (struct size){0};
    if (!plain && read_pair(reader, token, &size->height, &size->width)) {
        size->both = true;
        return TLEG_OK;
    }
    tleg_status status = plain ? integer(reader, root, key, &shortest) : integer(reader, token, "shortest_edge", &shortest);
    if (status == TLEG_OK)
        status = integer(reader, token, "height", &size->height);
    if (status == TLEG_OK)
        status = integer(reader, token, "width", &size->width);
    size->both = size->height > 0 && size->width > 0;
    if (status == TLEG_OK && !size->both && (size->height > 0 || size->width > 0))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a height and a width, found one of them",
                         reader->label, reader->name, key);
    if (!size->both)
        size->height = size->width = shortest;
    size->both = size->both || (plain && square);
    return status;
}

/* The share by which a picture of `size` pixels is resized to `resized` first: its floor(size / share) must be that again. */
static double share(double size, double resized) {
    const double exact = size / resized;
    return floor(size / exact) == resized ? exact : size / (resized + 0.25);
}

static tleg_status read_fit(struct reader *reader, enum processor processor) {
    struct size size, crop;
    tleg_status status = read_size(reader, "size", processor <= LIKE_DEIT, &size);
    if (status == TLEG_OK)
        status = read_size(reader, "crop_size", true, &crop);
    if (status != TLEG_OK || is(reader, root, "do_resize", TLEG_JSON_FALSE) || size.height == 0)
        return status;
    const bool crops = is_there(reader, member(reader, root, "do_center_crop"))
                           ? is(reader, root, "do_center_crop", TLEG_JSON_TRUE)
                           : processor == LIKE_DEIT || processor == LIKE_CLIP;
    const bool cropped = crops && crop.height > 0;
    if (cropped && (crop.height > size.height || crop.width > size.width))
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED, "%s: %s: crop_size is %lld, more than the size, %lld",
                         reader->label, reader->name, (long long)crop.height, (long long)size.height);
    const double kept = cropped ? share((double)crop.height, (double)size.height) : 1;
    const int64_t width = cropped ? crop.width : size.width;
    if (cropped && floor((double)width / kept) != (double)size.width)
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: %s: crop_size keeps another share of the width than of the height", reader->label, reader->name);
    const bool odd = cropped && ((size.height - crop.height) | (size.width - crop.width)) & 1;
    put(reader, "tleg.fit", !size.both ? "crop_floor" : odd ? "squash_floor" : "squash");
    put_number(reader, "tleg.crop", kept);
    return TLEG_OK;
}

/* By the numbers that PIL gives its filters. */
static tleg_status read_filter(struct reader *reader, enum processor processor) {
    static const char resamplers[][9] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming", "unknown"};
    int64_t filter = processor == LIKE_VIT ? 2 : processor == UNKNOWN ? -1 : 3;
    const tleg_status status = integer(reader, root, "resample", &filter);
    if (status == TLEG_OK && filter >= 0)
        put(reader, "tleg.interpolation", resamplers[filter < 6 ? filter : 6]);
    return status;
}

/* What is taken of a processor that is not known here, or where nothing says which it is and what it does is not said either.
 * Said once, while the rules are measured. */
static void note_unknown(const struct reader *reader) {
    const bool named = is(reader, root, "image_processor_type", TLEG_JSON_STRING),
               size = is(reader, root, "size", TLEG_JSON_NUMBER), filter = !is_there(reader, member(reader, root, "resample"));
    if (reader->text.out || is(reader, root, "do_resize", TLEG_JSON_FALSE) || (!named && !size && !filter))
        return;
    tleg_log(reader->context, "%s: %s: its image processor is not known here: taken as it stands%s%s", reader->label,
             reader->name, size ? ", size as the shorter side" : "", filter ? ", resample as bicubic" : "");
}

/* The geometry: the shape, the crop and the filter. */
static tleg_status read_resizing(struct reader *reader) {
    enum processor processor;
    tleg_status status = find_processor(reader, &processor);
    if (status == TLEG_OK && processor == UNKNOWN)
        note_unknown(reader);
    if (status == TLEG_OK)
        status = read_fit(reader, processor);
    return status == TLEG_OK ? read_filter(reader, processor) : status;
}

static tleg_status read_pictures(struct reader *reader) {
    double factor = 1.0 / 255;
    bool found;
    tleg_status status = number(reader, root, "rescale_factor", &found, &factor);
    factor = is(reader, root, "do_rescale", TLEG_JSON_FALSE) ? 255 : fabs(factor * 255 - 1) < 1e-6 ? 1 : factor * 255;
    if (status == TLEG_OK && !(factor > 0))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: rescale_factor: expected a number above 0", reader->label,
                         reader->name);
    if (status == TLEG_OK && is(reader, root, "do_normalize", TLEG_JSON_FALSE)) {
        put(reader, "tleg.mean", "0,0,0");
        tleg_text_put(&reader->text, "tleg.std = ");
        for (int k = 0; k < 3; k++) {
            char text[TLEG_NUMBER_TEXT];
            tleg_number_format(1 / factor, text);
            tleg_text_put(&reader->text, k ? "," : "");
            tleg_text_put(&reader->text, text);
        }
        tleg_text_byte(&reader->text, '\n');
    } else {
        if (status == TLEG_OK)
            status = pass_colours(reader, root, "image_mean", "tleg.mean", factor);
        if (status == TLEG_OK)
            status = pass_colours(reader, root, "image_std", "tleg.std", factor);
    }
    return status == TLEG_OK ? read_resizing(reader) : status;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    tleg_status (*read)(struct reader *reader);
} texts[] = {{"preprocessor_config.json", read_pictures}, {"config.json", read_config}, {"open_clip_config.json", read_config}};
enum { TEXTS = sizeof texts / sizeof *texts };

bool tleg_names_is_config(const char *key) {
    for (size_t k = 0; k < TEXTS; k++)
        if (strcmp(texts[k].name, key) == 0)
            return true;
    return false;
}

static tleg_status read_all(tleg_context *context, const tleg_file *file, const struct tleg_names_facts *facts,
                            struct tleg_text *out) {
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < TEXTS && status == TLEG_OK; k++) {
        const char *text = tleg_file_get_metadata(file, texts[k].name);
        struct tleg_json json;
        if (!text)
            continue;
        status = tleg_json_parse(context, texts[k].name, text, strlen(text), &json);
        if (status != TLEG_OK)
            return status;
        struct reader reader = {context, tleg_file_label(file), texts[k].name, &json, *out, facts, file};
        status = texts[k].read(&reader);
        *out = reader.text;
        tleg_json_free(&json);
    }
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
