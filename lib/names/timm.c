/* What timm's config.json says, and OpenCLIP's of a tower of timm's: much of a network is said by its architecture's name
 * alone. */
#include "config/limits.h"
#include "names/beside.h"

#include <string.h>

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
    return tleg_beside_has_member(reader, args, key) ? tleg_beside_is(reader, args, key, TLEG_JSON_TRUE) : own;
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
    if (!tleg_beside_has_member(reader, args, "rope_temperature"))
        tleg_beside_put(reader, "tleg.rotary_base", is_centred || is_axial ? "100" : "10000");
    if (!tleg_beside_has_member(reader, args, "rope_grid_indexing"))
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
        tleg_beside_put_image(reader, height, width);
        return TLEG_OK;
    }
    if (tleg_json_kind(reader->json, list) != TLEG_JSON_ARRAY)
        return TLEG_OK;
    if (tleg_json_size(reader->json, list) != 3 || !tleg_json_integer(reader->json, list + 2, &height) ||
        !tleg_json_integer(reader->json, list + 3, &width) || height < 1 || width < 1)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: input_size: expected channels, height and width",
                         reader->label, reader->name);
    tleg_beside_put_image(reader, height, width);
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
        status = tleg_beside_hold(reader, args, held[k].key, held[k].weights);
    if (status == TLEG_OK && sized && tleg_beside_pair(reader, tleg_beside_member(reader, args, "img_size"), &height, &width) &&
        !tleg_beside_fits_rows(facts, height, width))
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
        put_heads(reader, heads, tleg_beside_has_member(reader, args, "embed_dim"), architecture);
    *activation = tleg_json_kind(reader->json, tleg_beside_member(reader, args, "act_layer")) == TLEG_JSON_STRING;
    return status == TLEG_OK && *activation
               ? tleg_beside_pass_word(reader, args, "act_layer", "tleg.activation", tleg_beside_activations)
               : status;
}

/* What the norms are and where they stand. One that an argument names has timm's eps; all are of one kind and have one eps,
 * that of the embedded patches too. */
static tleg_status put_norms(struct tleg_beside *reader, const char *name, size_t args) {
    static const char *const norms[][2] = {{"layernorm", "1e-6"}, {"rmsnorm", "1e-6"}, {NULL, NULL}};
    const bool placed = tleg_beside_has_member(reader, args, "use_post_norm"),
               given = tleg_beside_has_member(reader, args, "norm_layer");
    char norm[TLEG_BESIDE_WORD], embedded[TLEG_BESIDE_WORD];
    if (is_made(reader, args, "use_post_norm", norms_after(name)))
        tleg_beside_put(reader, "tleg.branch_norm", "after");
    else if (placed || is_eva(name) || is_plain(name))
        tleg_beside_put(reader, "tleg.branch_norm", "before");
    if (!given)
        tleg_beside_put(reader, "tleg.eps", has_wide_eps(name) ? "1e-5" : "1e-6"); /* as timm makes them */
    if (tleg_beside_has_member(reader, args, "embed_norm_layer") &&
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

tleg_status tleg_beside_timm(struct tleg_beside *reader) {
    static const char *const fits[][2] = {{"center", "crop"}, {"squash", "squash"}, TLEG_BESIDE_ANY};
    static const char key[] = "label_names";
    char name[TLEG_BESIDE_WORD];
    bool activation = false;
    const size_t given = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "pretrained_cfg"),
                 pictures = tleg_beside_has(reader, given) ? given : TLEG_BESIDE_ROOT;
    const size_t args = tleg_beside_member(reader, TLEG_BESIDE_ROOT, "model_args");
    const size_t pooled = tleg_beside_has_member(reader, args, "global_pool") ? args : TLEG_BESIDE_ROOT;
    tleg_beside_word(reader, TLEG_BESIDE_ROOT, "architecture", name);
    tleg_status status = tleg_beside_hold(reader, TLEG_BESIDE_ROOT, "num_features", reader->facts->dim);
    if (status == TLEG_OK && reader->facts->classes > 0)
        status = tleg_beside_hold(reader, TLEG_BESIDE_ROOT, "num_classes", reader->facts->classes);
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
        status = tleg_beside_pass_colours(reader, pictures, "mean", "std", 1);
    if (status == TLEG_OK)
        status = tleg_beside_pass_number(reader, pictures, "crop_pct", "tleg.crop");
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, pictures, "crop_mode", "tleg.fit", fits);
    if (status == TLEG_OK)
        status = tleg_beside_pass_word(reader, pictures, "interpolation", "tleg.interpolation", tleg_beside_filters);
    return status == TLEG_OK
               ? tleg_beside_pass_labels(
                     reader, tleg_beside_has_member(reader, TLEG_BESIDE_ROOT, key) ? TLEG_BESIDE_ROOT : pictures, key, true)
               : status;
}

tleg_status tleg_beside_timm_tower(struct tleg_beside *reader, size_t tower, const char *name) {
    const size_t args = tleg_beside_member(reader, tower, "timm_model_kwargs");
    tleg_status status = put_pool(reader, tower, "timm_pool", name, args);
    if (!tleg_beside_has_member(reader, tower, "timm_pool"))
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
