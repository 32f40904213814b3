/* What a model's config.json says (Hugging Face's, timm's, OpenCLIP's), as the rules "tleg.KEY = VALUE" that say the same; and
 * all texts beside the weights together. */
#include "config/limits.h"
#include "names/beside.h"

#include <string.h>

static bool has_member(const struct tleg_beside *reader, size_t object, const char *key) {
    return tleg_beside_has(reader, tleg_beside_member(reader, object, key));
}

/* ---- labels ---- */

/* The tokens of the names in {"0": "cat", ...}, in whatever order; 0: there is none of that number. */
static void find_labels(const struct tleg_beside *reader, size_t object, size_t *names, int64_t count) {
    size_t token = object + 1;
    for (int64_t k = 0; k < count; k++, token = tleg_json_next(reader->json, token + 1)) {
        size_t length, at = 0;
        const char *source = tleg_json_source(reader->json, token, &length);
        int64_t number = 0;
        while (at < length && number < count && source[at] >= '0' && source[at] <= '9')
            number = 10 * number + (source[at++] - '0');
        if (length > 0 && at == length && number < count && (length == 1 || *source != '0'))
            names[number] = token + 1;
    }
}

/* A name without the quotes around it, as JSON writes it. */
static void put_label(struct tleg_beside *reader, size_t token, bool first) {
    size_t length;
    const char *source = tleg_json_source(reader->json, token, &length);
    tleg_text_put(&reader->text, first ? "[\"" : ", \"");
    for (size_t k = 0; k < length; k++)
        tleg_text_byte(&reader->text, source[k]);
    tleg_text_byte(&reader->text, '"');
}

static bool is_generic(const struct tleg_beside *reader, size_t token) {
    size_t length;
    const char *source = tleg_json_source(reader->json, token, &length);
    return length > 6 && memcmp(source, "LABEL_", 6) == 0;
}

static tleg_status put_labels(struct tleg_beside *reader, const char *key, const size_t *names, int64_t count) {
    if (is_generic(reader, names[0]))
        return TLEG_OK;
    tleg_text_put(&reader->text, "tleg.labels = ");
    for (int64_t k = 0; k < count; k++) {
        if (names[k] == 0 || tleg_json_kind(reader->json, names[k]) != TLEG_JSON_STRING)
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s: expected a name for class %lld of %lld",
                             reader->label, reader->name, key, (long long)k, (long long)count);
        put_label(reader, names[k], k == 0);
    }
    tleg_text_put(&reader->text, "]\n");
    return TLEG_OK;
}

/* Hugging Face's id2label and timm's label_names: an object of numbers and names, or a list of names. Those that say nothing
 * (LABEL_0) are left out. So are, unless `all`, those of another number of classes, which nobody set. */
static tleg_status pass_labels(struct tleg_beside *reader, size_t object, const char *key, bool all) {
    const size_t labels = tleg_beside_member(reader, object, key);
    const enum tleg_json_kind kind = tleg_json_kind(reader->json, labels);
    const bool list = kind == TLEG_JSON_ARRAY;
    const int64_t classes = reader->facts->classes;
    const int64_t count = list || kind == TLEG_JSON_OBJECT ? (int64_t)tleg_json_size(reader->json, labels) : 0;
    if (count == 0 || classes == 0 || (count != classes && !all))
        return TLEG_OK;
    if (count != classes)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s are %lld, but the weights have %lld classes",
                         reader->label, reader->name, key, (long long)count, (long long)classes);
    const size_t bytes = (size_t)count * sizeof(size_t);
    size_t *names = tleg_alloc_zero(&reader->context->allocator, bytes);
    if (!names)
        return tleg_fail_memory(reader->context, "names of classes", bytes);
    for (int64_t k = 0; k < count && list; k++) /* up to the first that is no name each is one token */
        names[k] = labels + 1 + (size_t)k;
    if (!list)
        find_labels(reader, labels, names, count);
    const tleg_status status = put_labels(reader, key, names, count);
    tleg_release(&reader->context->allocator, names, bytes);
    return status;
}

/* ---- what a number of the weights must be ---- */

static tleg_status hold(const struct tleg_beside *reader, size_t object, const char *key, int64_t weights) {
    int64_t value = 0;
    const tleg_status status = tleg_beside_integer(reader, object, key, &value);
    if (status != TLEG_OK || value == 0 || weights == 0 || value == weights)
        return status;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: %s is %lld, but the weights have %lld", reader->label,
                     reader->name, key, (long long)value, (long long)weights);
}

/* ---- pictures and patches, which need not be square ---- */

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
static void put_image(struct tleg_beside *reader, int64_t height, int64_t width) {
    const struct tleg_names_facts *facts = reader->facts;
    if (!facts->placeless && !fits_rows(facts, height, width))
        return;
    tleg_beside_put_extent(reader, "tleg.image_size", height, width);
}

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
        status = hold(reader, object, held[k].key, held[k].weights);
    int64_t heads = 0;
    if (status == TLEG_OK)
        status = tleg_beside_integer(reader, object, "num_attention_heads", &heads);
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
    return tleg_beside_pass_word(reader, object, "hidden_act", "tleg.activation", activations);
}

/* ---- timm ---- */

static const char *const filters[][2] = {{"bicubic", "bicubic"}, {"bilinear", "bilinear"}, {"box", "box"}, {"", NULL},
                                         {"random", NULL},       TLEG_BESIDE_ANY};

static tleg_status pass_colours(struct tleg_beside *reader, size_t pictures) {
    const tleg_status status = tleg_beside_pass_colours(reader, pictures, "mean", "tleg.mean", 1);
    return status == TLEG_OK ? tleg_beside_pass_colours(reader, pictures, "std", "tleg.std", 1) : status;
}

static const char *const pools[][2] = {{"token", "cls"},       {"avg", "mean"}, {"max", "max"},
                                       {"avgmax", "mean_max"}, {"", NULL},      {NULL, NULL}};

/* Whether one of the parts, which end with an empty one, is in the name. */
static bool has_any(const char *name, const char *parts) {
    while (*parts && !strstr(name, parts))
        parts += strlen(parts) + 1;
    return *parts != '\0';
}

/* Whether an architecture is of timm's class Eva, whose arguments and attention pooling are others than its Vision
 * Transformer's. */
static bool is_eva(const char *name) {
    return tleg_list_begins("eva_giant eva02_", name) || has_any(name, "vit_pe_\0_rope_\0_dinov3\0_lingbot\0_sapiens2\0");
}

/* Whether it is of another class, none of which has rotary positions. */
static bool is_plain(const char *name) {
    return !is_eva(name) && tleg_list_begins("vit_ deit beit eva_large flexivit_ aimv2_ test_vit", name);
}

/* What an argument says, or else the architecture's own choice. */
static bool is_made(const struct tleg_beside *reader, size_t args, const char *key, bool own) {
    return has_member(reader, args, key) ? tleg_beside_is(reader, args, key, TLEG_JSON_TRUE) : own;
}

/* `member` may go on with a quotation mark. */
static tleg_status fail_made(const struct tleg_beside *reader, const char *member) {
    return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: %s: %.*s: expected the architecture's own, found another, which is not computed", reader->label,
                     reader->name, (int)strcspn(member, "\""), member);
}

/* Whether a block's norms stand after its branches, as neither names nor shapes of timm's say. */
static bool norms_after(const char *architecture) {
    return has_any(architecture, "_rpn_\0eva02_enormous\0");
}

/* Of timm's SigLIPs some have GELU by tanh, the others the exact one. */
static bool has_gelu_tanh(const char *name) {
    const bool flexible = strncmp(name, "naflexvit_", 10) == 0;
    return strstr(name, flexible ? "_siglip" : "_siglip_") &&
           (flexible || has_any(name, "_giantopt_\0_base_patch32_\0_so400m_patch16_\0") ||
            (strstr(name, "_large_patch16_") && strstr(name, "_512")));
}

/* Whether the norms of an architecture have PyTorch's eps, not timm's. */
static bool has_wide_eps(const char *name) {
    return (strstr(name, "_clip_") && strncmp(name, "eva", 3) != 0) ||
           has_any(name, "_dinov3\0_lingbot\0vit_pe_\0beit3_\0aimv2_\0");
}

/* The heads of architectures that have others than models of their width have as a rule; 0: of no such one. */
static int64_t heads_of(const char *name) {
    static const struct {
        char part[27], heads;
    } unusual[] = {{"test_vit3", 3},
                   {"test_vit4", 3},
                   {"test_vit", 2},
                   {"_5b_patch16_sap", 32},
                   {"_7b_patch16_dinov3", 32},
                   {"vit_base_patch16_gap_224", 16},
                   {"giant_patch16_radio", 24},
                   {"_huge_plus_patch16_dinov3", 20},
                   {"_lang_gigantic_patch14", 16},
                   {"_spatial_gigantic_patch14", 16}};
    for (size_t k = 0; k < sizeof unusual / sizeof *unusual; k++)
        if (strstr(name, unusual[k].part))
            return unusual[k].heads;
    return 0;
}

/* In which grid rotary positions are counted: that which a model was made with, or else its architecture's own. A Perception
 * Encoder's is that of the pictures which its name ends with, whatever the size of its own. */
static void put_rotary_grid(struct tleg_beside *reader, const char *name, bool is_encoder, bool is_wide, size_t made) {
    int64_t height, width;
    if (tleg_beside_pair(reader, made, &height, &width))
        tleg_beside_put_extent(reader, "tleg.rotary_grid", height, width); /* two are refused: it is a square's */
    else
        tleg_beside_put(reader, "tleg.rotary_grid",
                        is_wide                                        ? "16"
                        : !is_encoder                                  ? "none"
                        : strstr(name, "_224")                         ? "14"
                        : strstr(name, "_336") || strstr(name, "_384") ? "24"
                                                                       : "32");
}

/* Rotary positions, of which the weights have nothing: what a model was made with, or else its architecture's own, whatever
 * family its tensors have the names of. Of a name that is not known here the family knows more. */
static tleg_status put_rotary(struct tleg_beside *reader, const char *name, size_t args) {
    static const char *const orders[][2] = {{"ij", "yx"}, {"xy", "xy"}, {NULL, NULL}};
    const bool is_encoder = strstr(name, "vit_pe_") != NULL, is_centred = has_any(name, "_dinov3\0_lingbot\0_sapiens2\0"),
               is_axial = strstr(name, "_rope_") && !strstr(name, "_rope_reg"),
               is_wide = strstr(name, "_rope_reg") || (strstr(name, "eva02_") && !strstr(name, "_enormous"));
    const bool turns = is_made(reader, args, "use_rot_pos_emb", is_encoder || is_centred || is_axial || is_wide),
               halves = is_made(reader, args, "rope_rotate_half", is_centred);
    char rope[TLEG_BESIDE_WORD];
    double offset;
    bool found;
    tleg_status status = tleg_beside_number(reader, args, "rope_grid_offset", &found, &offset);
    if (status != TLEG_OK)
        return status;
    if (!turns || !is_eva(name)) {
        if (is_eva(name) || is_plain(name))
            tleg_beside_put(reader, "tleg.rotary", "none");
        return TLEG_OK;
    }
    if (!found)
        offset = is_encoder && !strstr(name, "_gigantic");
    if (*tleg_beside_word(reader, args, "rope_type", rope) && strcmp(rope, is_centred ? "dinov3" : "cat") != 0)
        return fail_made(reader, "rope_type");
    if (offset != 0 && (is_centred || offset != 1))
        return fail_made(reader, "rope_grid_offset");
    tleg_beside_put(reader, "tleg.rotary", is_centred ? "centred" : "index");
    tleg_beside_put(reader, "tleg.rotary_pairs", halves ? "halves" : "neighbours");
    tleg_beside_put(reader, "tleg.rotary_offset", offset == 1 ? "1" : "0");
    put_rotary_grid(reader, name, is_encoder, is_wide, tleg_beside_member(reader, args, "ref_feat_shape"));
    if (!has_member(reader, args, "rope_temperature"))
        tleg_beside_put(reader, "tleg.rotary_base", is_centred || is_axial ? "100" : "10000");
    if (!has_member(reader, args, "rope_grid_indexing"))
        tleg_beside_put(reader, "tleg.rotary_order", is_encoder || is_axial ? "xy" : "yx");
    status = tleg_beside_pass_number(reader, args, "rope_temperature", "tleg.rotary_base");
    return status == TLEG_OK ? tleg_beside_pass_word(reader, args, "rope_grid_indexing", "tleg.rotary_order", orders) : status;
}

/* The size of pictures, where no position embedding tells it: what the model was made with, or the pictures' own. */
static tleg_status pass_size(struct tleg_beside *reader, size_t pictures) {
    const size_t made = tleg_beside_member(reader, tleg_beside_member(reader, TLEG_BESIDE_ROOT, "model_args"), "img_size");
    const size_t list = tleg_beside_member(reader, pictures, "input_size");
    int64_t height = 0, width = 0;
    if (tleg_beside_pair(reader, made, &height, &width)) {
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
static tleg_status hold_made(struct tleg_beside *reader, size_t args, const char *architecture) {
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
    if (status == TLEG_OK && sized && tleg_beside_pair(reader, tleg_beside_member(reader, args, "img_size"), &height, &width) &&
        !fits_rows(facts, height, width))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: %s: img_size is %lld x %lld, but the weights have %lld positions, for patches of %lld x %lld",
                         reader->label, reader->name, (long long)height, (long long)width, (long long)facts->rows,
                         (long long)facts->patch, (long long)facts->patch_width);
    return status;
}

/* What the arguments begin with that are read, that the weights show, or that learning alone or another size of pictures has a
 * use for; and those of rotary positions, which the class Eva has. */
static const char known_args[] =
    "img_size patch_ in_chans num_ global_pool embed_ depth mlp_ratio qk proj_ init_values attn_drop attn_pool attn_type "
    "attn_only class_token reg_tokens no_embed pos_ use_abs use_rel use_shared use_pre_t use_post use_fc pre final_norm "
    "fc_norm scale_attn scale_mlp swiglu_ norm_layer act_layer pool_include dynamic_img_size strict_img weight_init fix_init "
    "head_init drop_",
                  rotary_args[] =
                      "use_rot_pos ref_feat rope_type rope_temperature rope_grid rope_rotate rope_shift rope_jitter "
                      "rope_rescale";

/* An argument that is not known here may be of a part that is not computed, unless it says that there is none (false): but
 * timm's own order of a patch's numbers is what false is said against. */
static tleg_status check_args(const struct tleg_beside *reader, size_t args, const char *name) {
    const bool is_object = tleg_json_kind(reader->json, args) == TLEG_JSON_OBJECT;
    size_t token = args + 1;
    for (size_t k = is_object ? tleg_json_size(reader->json, args) : 0; k > 0; k--) {
        size_t length;
        const char *key = tleg_json_source(reader->json, token, &length);
        const enum tleg_json_kind kind = tleg_json_kind(reader->json, token + 1);
        const bool is_off =
            kind == TLEG_JSON_NULL || (kind == TLEG_JSON_FALSE && !tleg_list_has("patchify_channels_last", key, length));
        if (!is_off && !tleg_list_begins(known_args, key) && !(is_eva(name) && tleg_list_begins(rotary_args, key)))
            return fail_made(reader, key);
        token = tleg_json_next(reader->json, token + 1);
    }
    return TLEG_OK;
}

/* A model of another width has its architecture's number of heads, which is not known of all. */
static void put_heads(struct tleg_beside *reader, int64_t given, bool widened, const char *architecture) {
    const int64_t heads = given ? given : heads_of(architecture);
    if (heads > 0)
        tleg_beside_put_integer(reader, "tleg.heads", heads);
    else if (widened)
        tleg_beside_put(reader, "tleg.heads", "?");
}

/* What a model was made with, beside its architecture's own choices. */
static tleg_status read_model_args(struct tleg_beside *reader, size_t args, const char *architecture, bool *activation) {
    int64_t heads = 0;
    tleg_status status = hold_made(reader, args, architecture);
    if (status == TLEG_OK)
        status = check_args(reader, args, architecture);
    if (status == TLEG_OK)
        status = tleg_beside_integer(reader, args, "num_heads", &heads);
    if (status == TLEG_OK)
        put_heads(reader, heads, has_member(reader, args, "embed_dim"), architecture);
    *activation = tleg_json_kind(reader->json, tleg_beside_member(reader, args, "act_layer")) == TLEG_JSON_STRING;
    return status == TLEG_OK && *activation ? tleg_beside_pass_word(reader, args, "act_layer", "tleg.activation", activations)
                                            : status;
}

/* What the norms are and where they stand. One that an argument names has timm's eps; all are of one kind and have one eps,
 * that of the embedded patches too. */
static tleg_status put_norms(struct tleg_beside *reader, const char *name, size_t args) {
    static const char *const norms[][2] = {{"layernorm", "1e-6"}, {"rmsnorm", "1e-6"}, {NULL, NULL}};
    const bool placed = has_member(reader, args, "use_post_norm"), given = has_member(reader, args, "norm_layer");
    char norm[TLEG_BESIDE_WORD], embedded[TLEG_BESIDE_WORD];
    if (is_made(reader, args, "use_post_norm", norms_after(name)))
        tleg_beside_put(reader, "tleg.branch_norm", "after");
    else if (placed)
        tleg_beside_put(reader, "tleg.branch_norm", "before");
    if (!given)
        tleg_beside_put(reader, "tleg.eps", has_wide_eps(name) ? "1e-5" : "1e-6"); /* as timm makes them */
    if (has_member(reader, args, "embed_norm_layer") &&
        (strcmp(tleg_beside_word(reader, args, "embed_norm_layer", embedded),
                given ? tleg_beside_word(reader, args, "norm_layer", norm) : "layernorm") != 0 ||
         (!given && has_wide_eps(name))))
        return fail_made(reader, "embed_norm_layer");
    return tleg_beside_pass_word(reader, args, "norm_layer", "tleg.eps", norms);
}

/* What is read of the tokens. Attention of timm's class Eva pools all of them, and has a GELU whatever the blocks have; that of
 * its Vision Transformers pools the patches, unless it is told otherwise. */
static tleg_status put_pool(struct tleg_beside *reader, size_t object, const char *key, const char *name, size_t args) {
    static const char *const of_all[][2] = {{"token", "cls"}, {"avg", "mean_all"}, {"", NULL}, {NULL, NULL}};
    const bool all = is_made(reader, args, "pool_include_prefix", strstr(name, "test_vit3") != NULL);
    const struct tleg_names_facts *facts = reader->facts;
    const bool eva = is_eva(name), unseen = facts->dim == 0;
    char pool[TLEG_BESIDE_WORD];
    int64_t heads = 0;
    if (strcmp(tleg_beside_word(reader, object, key, pool), "map") != 0)
        return tleg_beside_pass_word(reader, object, key, "tleg.pool", all ? of_all : pools);
    if (eva ? facts->gated || (unseen && !strstr(name, "vit_pe_")) : unseen && strstr(name, "_clip_"))
        return fail_made(reader, key); /* blocks with a SiLU; or what decides is hidden by a prefix, beside a host's rules */
    if (eva || all || !unseen)         /* else the reader of the weights sees what stands before the patches */
        tleg_beside_put(reader, "tleg.pool", eva || all || facts->prefix == 0 ? "attention" : "patch_attention");
    const tleg_status status = tleg_beside_integer(reader, args, "attn_pool_num_heads", &heads);
    if (heads > 0)
        tleg_beside_put_integer(reader, "tleg.pool_heads", heads);
    else
        tleg_beside_put(reader, "tleg.pool_heads", strstr(name, "vit_pe_core_") ? "8" : "own");
    return status;
}

/* What an architecture's name tells of its activation. */
static void put_activation(struct tleg_beside *reader, const char *name, bool activation) {
    if (!activation && strstr(name, "quickgelu"))
        tleg_beside_put(reader, "tleg.activation", "quick_gelu");
    if (!activation && has_gelu_tanh(name))
        tleg_beside_put(reader, "tleg.activation", "gelu_tanh");
}

static tleg_status read_timm(struct tleg_beside *reader) {
    static const char *const fits[][2] = {{"center", "crop"}, {"squash", "squash"}, TLEG_BESIDE_ANY};
    static const char key[] = "label_names";
    char name[TLEG_BESIDE_WORD];
    bool activation = false;
    const size_t given = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "pretrained_cfg"),
                 pictures = tleg_beside_has(reader, given) ? given : TLEG_BESIDE_ROOT;
    const size_t args = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "model_args");
    const size_t pooled = has_member(reader, args, "global_pool") ? args : TLEG_BESIDE_ROOT;
    tleg_beside_word(reader, TLEG_BESIDE_ROOT, "architecture", name);
    tleg_status status = hold(reader, TLEG_BESIDE_ROOT, "num_features", reader->facts->dim);
    if (status == TLEG_OK && reader->facts->classes > 0)
        status = hold(reader, TLEG_BESIDE_ROOT, "num_classes", reader->facts->classes);
    if (status == TLEG_OK)
        status = put_pool(reader, pooled, "global_pool", name, args);
    if (status == TLEG_OK)
        status = read_model_args(reader, args, name, &activation);
    if (status == TLEG_OK)
        status = put_rotary(reader, name, args);
    if (status == TLEG_OK)
        status = put_norms(reader, name, args);
    if (status == TLEG_OK)
        status = pass_size(reader, pictures);
    put_activation(reader, name, activation);
    if (status == TLEG_OK)
        status = pass_colours(reader, pictures);
    if (status == TLEG_OK)
        status = tleg_beside_pass_number(reader, pictures, "crop_pct", "tleg.crop");
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, pictures, "crop_mode", "tleg.fit", fits);
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, pictures, "interpolation", "tleg.interpolation", filters);
    return status == TLEG_OK
               ? pass_labels(reader, has_member(reader, TLEG_BESIDE_ROOT, key) ? TLEG_BESIDE_ROOT : pictures, key, true)
               : status;
}

/* ---- OpenCLIP ---- */

/* A tower of OpenCLIP's own. */
static tleg_status read_own_tower(struct tleg_beside *reader, size_t tower, bool quick) {
    static const char *const own_pools[][2] = {{"tok", "cls"}, {"avg", "mean"}, {NULL, NULL}};
    static const char *const gelus[][2] = {{"none", "gelu"}, {"tanh", "gelu_tanh"}, {NULL, NULL}};
    const size_t act = tleg_beside_member(reader, tower, "act_kwargs");
    const bool approximate = !quick && has_member(reader, act, "approximate");
    int64_t head = 64;
    tleg_status status = tleg_beside_integer(reader, tower, "head_width", &head);
    if (status == TLEG_OK && head > 0 && reader->facts->dim > 0 && reader->facts->dim % head == 0)
        tleg_beside_put_integer(reader, "tleg.heads", reader->facts->dim / head);
    if (tleg_beside_has(reader, tower) && !has_member(reader, tower, "pool_type"))
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

/* One of timm's: what its name tells, and the pool that OpenCLIP gives it. quick_gelu is not for it. */
static tleg_status read_timm_tower(struct tleg_beside *reader, size_t tower, const char *name) {
    const size_t args = tleg_beside_member(reader, tower, "timm_model_kwargs");
    tleg_status status = put_pool(reader, tower, "timm_pool", name, args);
    if (!has_member(reader, tower, "timm_pool"))
        tleg_beside_put(reader, "tleg.pool", "mean"); /* OpenCLIP's own choice */
    if (tleg_beside_is(reader, tower, "timm_proj_bias", TLEG_JSON_TRUE))
        tleg_beside_put(reader, "tleg.head_bias", "yes");
    put_heads(reader, 0, false, name);
    put_activation(reader, name, false);
    if (status == TLEG_OK)
        status = check_args(reader, args, name);
    if (status == TLEG_OK)
        status = put_norms(reader, name, args);
    return status == TLEG_OK ? put_rotary(reader, name, args) : status;
}

static tleg_status read_open_clip(struct tleg_beside *reader, size_t object) {
    static const char *const fits[][2] = {{"shortest", "crop"}, {"squash", "squash"}, TLEG_BESIDE_ANY};
    const size_t tower = tleg_beside_member(reader, object, "vision_cfg"),
                 pictures = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "preprocess_cfg");
    const bool quick = tleg_beside_is(reader, object, "quick_gelu", TLEG_JSON_TRUE);
    char name[TLEG_BESIDE_WORD];
    tleg_status status = hold(reader, tower, "width", reader->facts->dim);
    if (status == TLEG_OK)
        status = hold(reader, tower, "layers", reader->facts->depth);
    if (status == TLEG_OK)
        status = hold(reader, tower, "patch_size", reader->facts->patch);
    tleg_beside_word(reader, tower, "timm_model_name", name);
    if (status == TLEG_OK)
        status = *name ? read_timm_tower(reader, tower, name) : read_own_tower(reader, tower, quick);
    tleg_beside_put(reader, "tleg.crop", "1");
    if (status == TLEG_OK)
        status = pass_colours(reader, pictures);
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, pictures, "resize_mode", "tleg.fit", fits);
    return status == TLEG_OK ? tleg_beside_pass_word(reader, pictures, "interpolation", "tleg.interpolation", filters) : status;
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
    if (has_member(reader, TLEG_BESIDE_ROOT, "architecture") || has_member(reader, TLEG_BESIDE_ROOT, "pretrained_cfg"))
        return read_timm(reader);
    if (!has_member(reader, TLEG_BESIDE_ROOT, "model_type") && !has_member(reader, TLEG_BESIDE_ROOT, "architectures"))
        return TLEG_OK; /* of something else */
    const tleg_status status = read_hugging_face(reader, find_tower(reader));
    note_problem(reader);
    return status == TLEG_OK ? pass_labels(reader, TLEG_BESIDE_ROOT, "id2label", false) : status;
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
    tleg_status status = tleg_json_parse(reader->context, texts[k].name, text, strlen(text), &json);
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
