/* A configuration from a file: keys where it has them, names and shapes where not; all three must agree. */
#include "names/names.h"
#include "vit/read/private.h"

#include <stdio.h>
#include <string.h>

/* ---- learngene or model, and which family's ---- */

enum form { LEARNGENE = 1, MODEL = 2 };
static const char *const forms[] = {"unknown", "learngene", "model"};

/* Where no key says it: a Diffusion Transformer's patches are embedded under another name. */
static tleg_status take_family(struct tleg_config_reader *reader, const char *word) {
    static const char embedder[] = "x_embedder.proj.weight";
    const char *wrapped;
    const bool classifies = tleg_read_has(reader, "patch_embed.proj.weight"), alone = tleg_read_has(reader, embedder);
    const bool draws = alone || (!classifies && tleg_read_any(reader, "", embedder, &wrapped));
    reader->c->kind = draws ? TLEG_KIND_DIT : TLEG_KIND_VIT;
    if (!word || draws == (strncmp(word, "dit", 3) == 0) || classifies == draws)
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.kind says \"%s\", but \"%s\" belongs to a %s", reader->label,
                     word, draws ? embedder : "patch_embed.proj.weight",
                     draws ? "generator (a Diffusion Transformer)" : "classifier");
}

static tleg_status read_kind(struct tleg_config_reader *reader) {
    const char *gene_name = NULL, *model_name = NULL;
    const bool gene = tleg_read_any(reader, "blocks.block.", NULL, &gene_name);
    const bool model = tleg_read_any(reader, "blocks.0.", NULL, &model_name);
    const char *word = tleg_file_get_metadata(reader->file, "tleg.kind");
    int32_t kind;
    if (word && strcmp(word, "trainer") == 0)
        return tleg_fail(
            reader->context, TLEG_ERROR_FORMAT,
            "%s: the state of a trainer (tleg.kind \"trainer\"), from which learning goes on: neither a learngene nor a "
            "model",
            reader->label);
    static const char *const kinds[] = {"learngene", "vit", "dit_learngene", "dit", NULL};
    tleg_status status = tleg_read_word(reader, "tleg.kind", kinds, &kind);
    if (status == TLEG_OK)
        status = take_family(reader, word);
    if (status != TLEG_OK)
        return status;
    int32_t form = kind == 0 ? 0 : kind % 2 ? LEARNGENE : MODEL;
    if ((form == LEARNGENE && model && !gene) || (form == MODEL && gene && !model))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.kind says \"%s\", but \"%s\" belongs to a %s",
                         reader->label, word, gene ? gene_name : model_name, forms[gene ? LEARNGENE : MODEL]);
    if (form == 0)
        form = model ? MODEL : gene ? LEARNGENE : 0;
    const int32_t expected = reader->gene ? LEARNGENE : MODEL;
    if (form == expected || form == 0)
        return TLEG_OK;
    return tleg_fail(
        reader->context, TLEG_ERROR_FORMAT, "%s: expected a %s, found a %s%s", reader->label, forms[expected], forms[form],
        reader->gene ? ": it has its depth, and is run, tuned and converted as it is" : ": expand it to a depth first");
}

/* ---- sizes ---- */

static tleg_status in_range(const struct tleg_config_reader *reader, const char *tensor, const char *what, int64_t value,
                            int32_t most, int32_t *out) {
    if (value < 1 || value > most)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\": expected %s from 1 to %d, found %lld",
                         reader->label, tensor, what, (int)most, (long long)value);
    *out = (int32_t)value;
    return TLEG_OK;
}

/* The key, where there is one, must say what the tensor has. */
static tleg_status check_patch_key(const struct tleg_config_reader *reader, const char *tensor) {
    const struct tleg_extent patch = tleg_config_patch(reader->c);
    char expected[TLEG_EXTENT_TEXT], has[TLEG_EXTENT_TEXT];
    struct tleg_extent given;
    bool found;
    const tleg_status status = tleg_read_extent(reader, "tleg.patch_size", &found, &given);
    if (status != TLEG_OK || !found || tleg_extent_same(given, patch))
        return status;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.patch_size: expected %s as %s has, found %s", reader->label,
                     tleg_extent_text(patch, expected), tensor, tleg_extent_text(given, has));
}

static const char *const no_or_yes[] = {"no", "yes", NULL};

/* Whether a part has no bias. CLIP's models have neither of these, and the norm before the blocks; of others without one a key
 * says so, or the file is not whole. */
static tleg_status read_lacking(const struct tleg_config_reader *reader, const char *key, const char *part, int32_t *lacking) {
    char weight[40], bias[40];
    int32_t word;
    const tleg_status status = tleg_read_word(reader, key, no_or_yes, &word);
    snprintf(weight, sizeof weight, "%s.weight", part);
    snprintf(bias, sizeof bias, "%s.bias", part);
    if (status == TLEG_OK && word == 1 && tleg_read_has(reader, bias))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: %s: expected no \"%s\" as \"no\" says, found it",
                         reader->label, key, bias);
    *lacking =
        (word == 1 || (word == 0 && reader->c->norm_before)) && tleg_read_has(reader, weight) && !tleg_read_has(reader, bias);
    return status;
}

/* patch_embed.proj.weight (D, C, P, Q), x_embedder.proj.weight of a generator */
static tleg_status read_patch(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    const bool draws = tleg_config_draws(c);
    const char *name = draws ? "x_embedder.proj.weight" : "patch_embed.proj.weight";
    const struct tleg_entry *entry;
    tleg_status status = tleg_read_need(reader, name, 4, &entry);
    if (status != TLEG_OK)
        return status;
    const bool channels = draws ? entry->shape[1] <= TLEG_MAX_CHANNELS : entry->shape[1] == 1 || entry->shape[1] == 3;
    if (!channels || (draws && entry->shape[2] != entry->shape[3])) {
        char text[TLEG_SHAPE_TEXT];
        return tleg_fail(
            reader->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\": expected shape [dim, %s], found %s", reader->label, name,
            draws ? "1 to " TLEG_LIMIT_TEXT(TLEG_MAX_CHANNELS) " channels, patch, patch" : "1 or 3, patch height, patch width",
            tleg_shape_text(4, entry->shape, text));
    }
    c->channels = (int32_t)entry->shape[1];
    c->norm_before = tleg_read_has(reader, "norm_pre.weight");
    status = read_lacking(reader, "tleg.patch_bias", "patch_embed.proj", &c->no_patch_bias);
    if (status == TLEG_OK)
        status = read_lacking(reader, "tleg.head_bias", "head", &c->no_head_bias);
    if (status == TLEG_OK)
        status = in_range(reader, name, "a dim", entry->shape[0], TLEG_MAX_DIM, &c->dim);
    if (status == TLEG_OK)
        status = in_range(reader, name, "a patch", entry->shape[2], TLEG_MAX_IMAGE, &c->patch_size);
    if (status == TLEG_OK)
        status = in_range(reader, name, "a patch", entry->shape[3], TLEG_MAX_IMAGE, &c->patch_width);
    if (status != TLEG_OK)
        return status;
    c->patch_width = c->patch_width == c->patch_size ? 0 : c->patch_width;
    return check_patch_key(reader, name);
}

/* reg_token (1, R, D) */
static tleg_status read_registers(struct tleg_config_reader *reader) {
    static const char name[] = "reg_token";
    const struct tleg_entry *entry;
    if (!tleg_read_has(reader, name))
        return TLEG_OK;
    const tleg_status status = tleg_read_need(reader, name, 3, &entry);
    return status == TLEG_OK ? in_range(reader, name, "registers", entry->shape[1], TLEG_MAX_REGISTERS, &reader->c->registers)
                             : status;
}

/* Whether a site's weight is there, and its bias in no layer. */
static bool lacks_bias(const struct tleg_config_reader *reader, const char *site) {
    char weight[64], bias[64], segment[64];
    const char *name;
    snprintf(weight, sizeof weight, "%s.", site);
    snprintf(bias, sizeof bias, ".%s.bias", site);
    snprintf(segment, sizeof segment, "blocks.block.%s.instances.", site);
    return tleg_read_any(reader, "blocks.", weight, &name) && !tleg_read_any(reader, "blocks.", bias, &name) &&
           !tleg_read_any(reader, segment, ".bias", &name);
}

/* Norms without biases are RMSNorms, and all norms are of one kind. */
static tleg_status read_rms(const struct tleg_config_reader *reader) {
    enum { NO = 1, YES };
    const char *bias;
    int32_t word;
    const tleg_status status = tleg_read_word(reader, "tleg.rms", no_or_yes, &word);
    const bool rms = !tleg_read_any(reader, "", "norm.bias", &bias) && lacks_bias(reader, "norm1");
    reader->c->rms = rms;
    if (word == (rms ? NO : YES))
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tleg.rms: expected norms with%s biases, all of them, as \"%s\" says", reader->label,
                         rms ? "" : "out", no_or_yes[word - 1]);
    return status;
}

static tleg_status read_tokens(struct tleg_config_reader *reader) {
    if (tleg_config_draws(reader->c)) /* patches alone */
        return TLEG_OK;
    const bool cls = tleg_read_has(reader, "cls_token"), dist = tleg_read_has(reader, "dist_token");
    if (dist && !cls)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: found tensor \"dist_token\", but \"cls_token\" is missing",
                         reader->label);
    if (!dist && tleg_read_has(reader, "head_dist.weight"))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: found tensor \"head_dist.weight\", but \"dist_token\" is missing", reader->label);
    reader->c->class_token = cls;
    reader->c->distillation_token = dist;
    const char *gate;
    reader->c->layer_scale = tleg_read_any(reader, "blocks.", "ls1.", &gate);
    reader->c->attention_norm = tleg_read_any(reader, "blocks.", "attn.norm.", &gate);
    reader->c->mlp_norm = tleg_read_any(reader, "blocks.", "mlp.norm.", &gate);
    reader->c->qk_norm = tleg_read_any(reader, "blocks.", "attn.q_norm.", &gate) || /* of what, its width says */
                         tleg_read_any(reader, "blocks.", "attn.k_norm.", &gate);
    reader->c->patch_norm = tleg_read_has(reader, "patch_embed.norm.weight");
    const tleg_status status = read_rms(reader);
    const bool may_lack = reader->c->rms || tleg_names_has_keys(reader->file);
    reader->c->no_proj_bias = may_lack && lacks_bias(reader, "attn.proj");
    reader->c->no_mlp_bias = may_lack && lacks_bias(reader, "mlp.fc1") && lacks_bias(reader, "mlp.fc2");
    return status == TLEG_OK ? read_registers(reader) : status;
}

/* head.weight (C, D); a model without one gives features alone */
static tleg_status read_classes(struct tleg_config_reader *reader) {
    const struct tleg_entry *entry;
    if (tleg_config_draws(reader->c))
        return tleg_read_drawing(reader);
    if (!tleg_read_has(reader, "head.weight") && !tleg_read_has(reader, "head.bias"))
        return TLEG_OK;
    const tleg_status status = tleg_read_need(reader, "head.weight", 2, &entry);
    return status == TLEG_OK
               ? in_range(reader, "head.weight", "classes", entry->shape[0], TLEG_MAX_CLASSES, &reader->c->classes)
               : status;
}

/* pre_logits.weight (R, pooled) */
static tleg_status read_representation(struct tleg_config_reader *reader) {
    static const char name[] = "pre_logits.weight";
    const struct tleg_entry *entry;
    if (tleg_config_draws(reader->c) || (!tleg_read_has(reader, name) && !tleg_read_has(reader, "pre_logits.bias")))
        return TLEG_OK;
    if (reader->c->distillation_token)
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tensor \"%s\": a representation layer beside a distillation token is not computed", reader->label,
                         name);
    const tleg_status status = tleg_read_need(reader, name, 2, &entry);
    return status == TLEG_OK ? in_range(reader, name, "numbers", entry->shape[0], TLEG_MAX_HIDDEN, &reader->c->representation)
                             : status;
}

/* The weight of a site in the first layer, and its name. */
static tleg_status need_first(const struct tleg_config_reader *reader, enum tleg_site site, char name[TLEG_NAME_TEXT],
                              const struct tleg_entry **entry) {
    if (reader->gene)
        tleg_segment_name(site, 0, false, &reader->schedule.spans[site][0], 0, name);
    else
        tleg_layer_name(0, site, false, name);
    return tleg_read_need(reader, name, tleg_site_is_vector(site) ? 1 : 2, entry);
}

/* proj's weight (D, A) and qkv's (3A, D), where the two agree that the heads together are of another width than D. */
static tleg_status read_attention_dim(struct tleg_config_reader *reader) {
    char name[TLEG_NAME_TEXT];
    const struct tleg_entry *proj, *qkv;
    tleg_status status = need_first(reader, TLEG_SITE_PROJ, name, &proj);
    if (status == TLEG_OK)
        status = need_first(reader, TLEG_SITE_QKV, name, &qkv);
    if (status != TLEG_OK || tleg_config_draws(reader->c))
        return status;
    const int64_t width = proj->shape[1];
    if (width > 0 && width <= TLEG_MAX_DIM && width != reader->c->dim && qkv->shape[0] == 3 * width)
        reader->c->attention_dim = (int32_t)width;
    return TLEG_OK;
}

/* fc1's weight (H, D), or (2H, D) where fc2's (D, H) says that half of what it gives is a gate; and whether there is any bias
 * of qkv */
static tleg_status read_block(struct tleg_config_reader *reader) {
    char name[TLEG_NAME_TEXT];
    const struct tleg_entry *entry, *fc2;
    tleg_status status = read_attention_dim(reader);
    if (status == TLEG_OK)
        status = need_first(reader, TLEG_SITE_FC2, name, &fc2);
    if (status == TLEG_OK)
        status = need_first(reader, TLEG_SITE_FC1, name, &entry);
    if (status != TLEG_OK)
        return status;
    const char *bias;
    reader->c->gated = entry->shape[0] / 2 == fc2->shape[1] && entry->shape[0] % 2 == 0;
    reader->c->no_qkv_bias = !tleg_read_any(reader, "blocks.", ".attn.qkv.bias", &bias) &&
                             !tleg_read_any(reader, "blocks.block.attn.qkv.instances.", ".bias", &bias);
    return in_range(reader, name, "a hidden width", reader->c->gated ? fc2->shape[1] : entry->shape[0], TLEG_MAX_HIDDEN,
                    &reader->c->hidden);
}

/* ---- what shapes cannot say ---- */

/* Of a file that does not say: 64 numbers each, but for the widths of published models that have others: SigLIP's so400m, the
 * huge, giant and gigantic models of timm, CLIP and MAE, and EVA02-CLIP's enormous one. */
static int32_t likely_heads(const struct tleg_config_reader *reader) {
    static const int32_t widths[] = {1152, 1280, 1408, 1536, 1664, 1792};
    const tleg_config *c = reader->c;
    if (c->attention_dim) /* vit-pytorch's dim_head unless it is told */
        return c->attention_dim / 64;
    if (c->rms && c->patch_norm && c->dim % 128 == 0) /* AIMv2 */
        return c->dim / 128;
    if (c->qk_norm && c->dim == 3200) /* InternViT-6B */
        return 25;
    const char *rotary = tleg_read_rotary(reader);
    if (rotary && strcmp(rotary, "centred") == 0) /* DINOv3 */
        return c->dim == 4096 ? 32 : c->dim / 64;
    const bool dinov2 =
        c->dim == 1536 && c->layer_scale && !rotary; /* whose giant has the usual heads, a Perception Encoder not */
    for (size_t k = 0; k < sizeof widths / sizeof *widths && !reader->gene && !dinov2; k++)
        if (c->dim == widths[k])
            return 16;
    return c->dim / 64;
}

/* The numbers that the norms of queries and keys run over, 0 where there are none: a head's, or all of them. */
static tleg_status read_qk_width(const struct tleg_config_reader *reader, int64_t *width) {
    char name[TLEG_NAME_TEXT];
    const struct tleg_entry *entry;
    *width = 0;
    if (!reader->c->qk_norm)
        return TLEG_OK;
    const tleg_status status = need_first(reader, TLEG_SITE_Q_NORM, name, &entry);
    if (status == TLEG_OK)
        *width = entry->shape[0];
    return status;
}

static tleg_status read_heads(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    bool found = false;
    int64_t qk;
    const bool asks = tleg_read_asks(reader, "tleg.heads");
    if (asks && reader->asked->heads == 0)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.heads: how many heads the model has is not in its file: say it when opening the file, or in "
                         "rules for names",
                         reader->label);
    tleg_status status = asks ? TLEG_OK : tleg_read_integer(reader, "tleg.heads", TLEG_MAX_DIM, &found, &c->heads);
    if (status == TLEG_OK)
        status = read_qk_width(reader, &qk);
    if (status != TLEG_OK)
        return status;
    const int32_t width = tleg_config_attention_dim(c);
    const char *of = c->attention_dim ? "attention's width" : "dim";
    const int32_t told = qk && qk < width && width % qk == 0 ? (int32_t)(width / qk) : 0; /* by a norm of each head */
    if (reader->asked->heads < 0 || (reader->asked->heads > 0 && width % reader->asked->heads != 0))
        return tleg_fail(reader->context, TLEG_ERROR_ARGUMENT, "%s: heads argument: expected a divisor of %s %d, found %d",
                         reader->label, of, (int)width, (int)reader->asked->heads);
    if (found && width % c->heads != 0)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.heads: expected a divisor of %s %d, found %d",
                         reader->label, of, (int)width, (int)c->heads);
    if (found && reader->asked->heads > 0 && reader->asked->heads != c->heads)
        return tleg_fail(reader->context, TLEG_ERROR_ARGUMENT,
                         "%s: heads argument: expected %d as tleg.heads says, or 0, found %d", reader->label, (int)c->heads,
                         (int)reader->asked->heads);
    if (!found && reader->asked->heads == 0 && !told && width % 64 != 0)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: the number of heads is unknown: there is no tleg.heads, and %s %d is not a multiple of 64; write "
                         "the metadata key tleg.heads, or say how many heads there are when opening the file",
                         reader->label, of, (int)width);
    if (!found)
        c->heads = reader->asked->heads > 0 ? reader->asked->heads : told ? told : likely_heads(reader);
    c->qk_norm = !qk ? 0 : qk == width ? TLEG_QK_NORM_TOKEN : TLEG_QK_NORM_HEAD;
    return TLEG_OK;
}

/* What a pool of timm's reads, as its files do not say: the patches. Without tokens before them that is everything. */
static tleg_pool_kind attention_of(const tleg_config *c) {
    return tleg_config_prefix(c) > 0 ? TLEG_POOL_PATCH_ATTENTION : TLEG_POOL_ATTENTION;
}

/* Whether the head is as wide as the class token and the mean of the patches together. */
static bool reads_two(const struct tleg_config_reader *reader) {
    const char *name = reader->c->representation ? "pre_logits.weight" : "head.weight";
    const struct tleg_entry *head = tleg_file_find(reader->file, name);
    return head && reader->c->class_token && head->rank == 2 && head->shape[1] == 2 * (int64_t)reader->c->dim;
}

static tleg_status read_pool(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    const bool fc_norm = tleg_read_has(reader, "fc_norm.weight");
    const bool attention = tleg_read_has(reader, "attn_pool.latent");
    const char *const *pools = tleg_pool_words;
    const tleg_status status = tleg_read_word(reader, "tleg.pool", pools, &c->pool);
    if (status != TLEG_OK)
        return status;
    if (c->pool == 0)
        c->pool = attention                    ? attention_of(c)
                  : reads_two(reader)          ? TLEG_POOL_CLS_MEAN
                  : c->class_token && !fc_norm ? TLEG_POOL_CLS
                                               : TLEG_POOL_MEAN;
    if (attention && c->norm_before && !tleg_file_get_metadata(reader->file, "tleg.pool"))
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: attention pooling (attn_pool.*) beside a norm before the blocks (norm_pre.*) is a Perception "
                         "Encoder's, which has rotary positions; a model without them says what it reads by tleg.pool",
                         reader->label);
    if (attention && !tleg_config_has_attention_pool(c))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.pool: expected \"attention\" with attn_pool.latent, found \"%s\"", reader->label,
                         pools[c->pool - 1]);
    if ((c->pool == TLEG_POOL_CLS || c->pool == TLEG_POOL_CLS_MEAN) && !c->class_token)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.pool: expected \"mean\" without a cls_token, found \"%s\"", reader->label,
                         pools[c->pool - 1]);
    if (c->pool != TLEG_POOL_CLS && c->distillation_token)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: pool: expected \"cls\" with a dist_token, found \"%s\"%s",
                         reader->label, pools[c->pool - 1], fc_norm ? " (fc_norm.weight says so)" : "");
    if (!tleg_config_reduces(c) && c->pool != TLEG_POOL_CLS && fc_norm)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.pool: expected \"mean\", \"mean_all\", \"max\", \"mean_max\" or \"cls\" before "
                         "fc_norm.weight, found \"%s\"",
                         reader->label, pools[c->pool - 1]);
    return TLEG_OK;
}

/* Whether a file without a final norm is one of a model without it (RADIO, InternViT), as far as names tell: nothing outside
 * the blocks may be a norm by another name. */
static bool has_no_norm(const struct tleg_config_reader *reader) {
    static const char *const known[] = {"blocks.", "norm_pre.", "patch_embed.norm.", "attn_pool.norm."};
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    if (reader->gene || tleg_file_is_shard(reader->file))
        return false;
    for (int64_t k = 0; k < count; k++) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strncmp(entries[k].name, known[i], strlen(known[i])) != 0)
            i++;
        if (i == sizeof known / sizeof *known && (strstr(entries[k].name, "norm") || strstr(entries[k].name, "ln")))
            return false;
    }
    return true;
}

static tleg_status read_norm(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    const bool fc_norm = tleg_read_has(reader, "fc_norm.weight");
    if (fc_norm && tleg_read_has(reader, "norm.weight"))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: expected norm.weight or fc_norm.weight, found both: which is the final norm?", reader->label);
    static const char *const places[] = {"before_pool", "after_pool", "none", NULL};
    enum { NONE = 3 };
    int32_t given;
    const tleg_status status = tleg_read_word(reader, "tleg.norm", places, &given);
    if (status != TLEG_OK)
        return status;
    c->norm = fc_norm ? TLEG_NORM_AFTER_POOL : TLEG_NORM_BEFORE_POOL;
    c->no_norm = !fc_norm && !tleg_read_has(reader, "norm.weight") && (given == NONE || (given == 0 && has_no_norm(reader)));
    if (given == 0 || given == c->norm || (given == NONE && c->no_norm))
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.norm: expected \"%s\" as the name %s says, found \"%s\"",
                     reader->label, fc_norm ? "after_pool" : "before_pool", fc_norm ? "fc_norm.*" : "norm.*",
                     places[given - 1]);
}

const char *tleg_read_rotary(const struct tleg_config_reader *reader) {
    const char *rotary = tleg_file_get_metadata(reader->file, "tleg.rotary");
    return rotary && strcmp(rotary, "none") == 0 ? NULL : rotary;
}

/* What turns queries and keys, and what attention pooling has of its own. */
static tleg_status read_rotary(struct tleg_config_reader *reader) {
    static const char *const kinds[] = {"index", "centred", "none", NULL}, *const pairs[] = {"neighbours", "halves", NULL},
                             *const orders[] = {"yx", "xy", NULL};
    tleg_config *c = reader->c;
    const char *grid = tleg_file_get_metadata(reader->file, "tleg.rotary_grid"),
               *first = tleg_file_get_metadata(reader->file, "tleg.rotary_offset");
    int32_t pair = 0, order = 0;
    bool found;
    tleg_status status = tleg_read_word(reader, "tleg.rotary", kinds, &c->rotary);
    c->rotary = tleg_read_rotary(reader) ? c->rotary : 0;
    if (status != TLEG_OK || c->rotary == 0)
        return status;
    status = tleg_read_word(reader, "tleg.rotary_pairs", pairs, &pair);
    if (status == TLEG_OK)
        status = tleg_read_word(reader, "tleg.rotary_order", orders, &order);
    const struct tleg_extent patches = tleg_config_grid(c);
    if (status == TLEG_OK && grid && strcmp(grid, "own") == 0 && patches.height != patches.width)
        return tleg_fail(
            reader->context, TLEG_ERROR_UNSUPPORTED,
            "%s: tleg.rotary_grid: \"own\" is for a square grid of patches, found %d x %d: say the side that is counted",
            reader->label, (int)patches.height, (int)patches.width);
    if (status == TLEG_OK && grid && strcmp(grid, "own") == 0)
        c->rotary_grid = patches.height; /* which stays what is counted when pictures get another size */
    else if (status == TLEG_OK && !(grid && strcmp(grid, "none") == 0))
        status = tleg_read_integer(reader, "tleg.rotary_grid", TLEG_MAX_GRID, &found, &c->rotary_grid);
    if (status == TLEG_OK && !(first && strcmp(first, "0") == 0))
        status = tleg_read_integer(reader, "tleg.rotary_offset", 1, &found, &c->rotary_offset);
    c->rotary_halves = pair == 2;
    c->rotary_x_first = order == 2;
    if (status == TLEG_OK && tleg_config_head(c) % 4 != 0)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.rotary: expected heads of a multiple of 4 numbers, found %d of dim %d", reader->label,
                         (int)c->heads, (int)tleg_config_attention_dim(c));
    return status;
}

/* attn_pool.mlp.fc1.weight (H, D) */
static tleg_status read_attention_pool(struct tleg_config_reader *reader) {
    static const char name[] = "attn_pool.mlp.fc1.weight";
    tleg_config *c = reader->c;
    const struct tleg_entry *entry;
    const char *heads = tleg_file_get_metadata(reader->file, "tleg.pool_heads");
    bool found;
    if (!tleg_config_has_attention_pool(c))
        return TLEG_OK;
    tleg_status status = heads && strcmp(heads, "own") == 0
                             ? TLEG_OK
                             : tleg_read_integer(reader, "tleg.pool_heads", TLEG_MAX_DIM, &found, &c->pool_heads);
    if (status == TLEG_OK && c->dim % tleg_config_pool_heads(c) != 0)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tleg.pool_heads: expected a divisor of dim %d, found %d",
                         reader->label, (int)c->dim, (int)tleg_config_pool_heads(c));
    if (status == TLEG_OK && tleg_read_has(reader, name))
        status = tleg_read_need(reader, name, 2, &entry);
    if (status != TLEG_OK || !tleg_read_has(reader, name) || entry->shape[0] == c->hidden)
        return status;
    return in_range(reader, name, "a hidden width", entry->shape[0], TLEG_MAX_HIDDEN, &c->pool_hidden);
}

/* Names and shapes do not say how a model activates, where its norms stand and what its head reads: timm's own models differ in
 * that under the same names. */
static void note_guesses(const struct tleg_config_reader *reader) {
    const tleg_config *c = reader->c;
    if (reader->gene || tleg_names_has_keys(reader->file))
        return;
    if (tleg_config_draws(c)) {
        tleg_log(reader->context,
                 "%s: there are no tleg. keys: taken as a plain DiT with %d heads, whose last label is the null label",
                 reader->label, (int)c->heads);
        return;
    }
    char eps[TLEG_NUMBER_TEXT];
    tleg_number_format(c->eps, eps);
    const char *pool = c->distillation_token               ? "the class and the distillation token"
                       : c->pool == TLEG_POOL_CLS          ? "the class token"
                       : c->pool == TLEG_POOL_CLS_MEAN     ? "the class token and the mean of the patches"
                       : tleg_config_has_attention_pool(c) ? "what attention pooling gives"
                       : c->norm == TLEG_NORM_BEFORE_POOL  ? "the mean of the patches"
                                                           : "the mean of the patches, then fc_norm";
    tleg_log(reader->context,
             "%s: there are no tleg. keys: taken as timm's plain ViT, whose head reads %s (%d heads, %s, each part's %s before "
             "it%s, eps %s)",
             reader->label, pool, (int)c->heads, c->mlp == TLEG_MLP_GELU ? "exact GELU" : tleg_mlp_words[c->mlp - 1],
             c->rms ? "RMSNorm" : "norm", c->no_norm ? ", none at the end" : "", eps);
}

static tleg_status read_mlp(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    const tleg_mlp_kind asked = reader->asked->activation;
    const bool given = asked && tleg_read_asks(reader, "tleg.activation");
    const tleg_status status = given ? TLEG_OK : tleg_read_word(reader, "tleg.activation", tleg_mlp_words, &c->mlp);
    if (status != TLEG_OK)
        return status;
    if (c->mlp == 0 && tleg_file_get_metadata(reader->file, "tleg.kind")) /* a file of the library's own says what is unusual */
        c->mlp = tleg_config_usual_mlp(c);
    if (asked < 0 || asked > TLEG_MLP_RELU)
        return tleg_fail(reader->context, TLEG_ERROR_ARGUMENT, "%s: activation argument: expected one of TLEG_MLP_*, found %d",
                         reader->label, (int)asked);
    if (asked && c->mlp && asked != c->mlp)
        return tleg_fail(reader->context, TLEG_ERROR_ARGUMENT,
                         "%s: activation argument: expected \"%s\" as the file says, or none, found \"%s\"", reader->label,
                         tleg_mlp_words[c->mlp - 1], tleg_mlp_words[asked - 1]);
    if (c->mlp == 0)
        c->mlp = asked ? asked : tleg_config_usual_mlp(c);
    return TLEG_OK;
}

/* Where a block's norms stand. A model of timm's without biases of q, k and v, without a class token, and without keys that say
 * so, may be a plain one or vit_*_rpn: nothing of its names and shapes tells which. */
static tleg_status read_branch_norm(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    int32_t place;
    const tleg_status status = tleg_read_word(reader, "tleg.branch_norm", tleg_branch_norm_words, &place);
    if (status != TLEG_OK)
        return status;
    c->norm_after = place > 1 ? place - 1 : 0;
    if (c->norm_after && c->layer_scale)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.branch_norm: expected \"before\" with LayerScale (ls1, ls2), found \"%s\"", reader->label,
                         tleg_branch_norm_words[c->norm_after]);
    const bool partly = !tleg_names_has_keys(reader->file) || tleg_file_get_metadata(reader->file, TLEG_RULES_OF_A_PART);
    if (!reader->gene && place == 0 && partly && c->no_qkv_bias && !c->class_token && !c->layer_scale)
        return tleg_fail(
            reader->context, TLEG_ERROR_UNSUPPORTED,
            "%s: its names and shapes are those of two models: a block's norms may stand before its branches or after "
            "them (timm's vit_*_rpn). Rules for names say which: tleg.branch_norm = before, or after",
            reader->label);
    return TLEG_OK;
}

static tleg_status read_pixel_norm(struct tleg_config_reader *reader) {
    int32_t word;
    const tleg_status status = tleg_read_word(reader, "tleg.pixel_norm", no_or_yes, &word);
    reader->c->pixel_norm = word == 2;
    return status;
}

static tleg_status read_keys(struct tleg_config_reader *reader) {
    tleg_status status = read_heads(reader);
    if (status == TLEG_OK)
        status = read_mlp(reader);
    if (tleg_config_draws(reader->c)) /* nothing is pooled */
        return status == TLEG_OK ? tleg_read_numbers(reader) : status;
    if (status == TLEG_OK)
        status = read_branch_norm(reader);
    if (status == TLEG_OK)
        status = read_pool(reader);
    if (status == TLEG_OK)
        status = read_norm(reader);
    if (status == TLEG_OK)
        status = read_rotary(reader);
    if (status == TLEG_OK)
        status = read_attention_pool(reader);
    if (status == TLEG_OK)
        status = read_pixel_norm(reader);
    return status == TLEG_OK ? tleg_read_numbers(reader) : status;
}

/* ---- texts ---- */

struct found_texts { /* in memory of the context's, until the configuration has its own copies */
    void *labels;
    char *schedule;
    const char **ignored;
    size_t label_bytes, schedule_bytes, ignored_bytes;
};

static tleg_status find_texts(const struct tleg_config_reader *reader, struct found_texts *found) {
    tleg_status status = tleg_read_tensors(reader, &found->ignored, &found->ignored_bytes);
    if (status == TLEG_OK)
        status = tleg_read_labels(reader, &found->labels, &found->label_bytes);
    if (status != TLEG_OK || !reader->gene)
        return status;
    return tleg_schedule_write(reader->context, &reader->schedule, &found->schedule, &found->schedule_bytes);
}

static void free_texts(const struct tleg_allocator *allocator, struct found_texts *found) {
    tleg_release(allocator, found->labels, found->label_bytes);
    tleg_release(allocator, found->schedule, found->schedule_bytes);
    tleg_release(allocator, (void *)found->ignored, found->ignored_bytes);
}

static tleg_status read_texts(const struct tleg_config_reader *reader, struct tleg_vit_config *config) {
    struct found_texts found = {0};
    struct tleg_learned learned;
    tleg_status status = find_texts(reader, &found);
    if (status == TLEG_OK)
        status = tleg_read_learned(reader, &learned);
    if (status == TLEG_OK) {
        struct tleg_config_texts texts = {
            .labels = found.labels,
            .ignored = found.ignored,
            .schedule = found.schedule ? found.schedule : "",
            .label_count = found.labels ? config->c.classes : 0,
            .ignored_count = config->c.ignored_count,
            .depths = learned.depths,
            .depth_count = learned.depth_count,
            .scores = &learned.scores,
        };
        texts.pair_count = tleg_file_pairs(reader->file, &texts.pairs);
        status = tleg_config_set_texts(reader->context, config, &texts);
    }
    free_texts(&reader->context->allocator, &found);
    return status;
}

tleg_status tleg_config_read(tleg_context *context, const tleg_file *file, const tleg_open_options *asked, bool gene,
                             struct tleg_vit_config *config) {
    static tleg_status (*const steps[])(struct tleg_config_reader *) = {
        tleg_read_needs,  tleg_read_plain, read_kind,    read_patch,          read_tokens, tleg_read_image,
        tleg_read_layers, read_block,      read_classes, read_representation, read_keys};
    *config = (struct tleg_vit_config){.allocator = context->allocator,
                                       .c = {.struct_size = sizeof config->c, .kind = TLEG_KIND_VIT, .channels = 3}};
    struct tleg_config_reader reader = {
        .context = context, .file = file, .label = tleg_file_label(file), .gene = gene, .asked = asked, .c = &config->c};
    tleg_status status = TLEG_OK;
    tleg_read_note_keys(&reader);
    for (size_t k = 0; status == TLEG_OK && k < sizeof steps / sizeof *steps; k++)
        status = steps[k](&reader);
    if (status == TLEG_OK)
        status = read_texts(&reader, config);
    tleg_schedule_free(&reader.schedule);
    if (status == TLEG_OK)
        note_guesses(&reader);
    else
        tleg_config_free(config);
    return status;
}
