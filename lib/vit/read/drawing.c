/* What a Diffusion Transformer's tensors say beyond those of its patches and blocks. */
#include "vit/read/private.h"

/* tleg.null_label: whether the table's last row stands for "any label", which guidance needs. */
static tleg_status read_null_label(struct tleg_config_reader *reader) {
    static const char *const words[] = {"yes", "no", NULL};
    int32_t word;
    const tleg_status status = tleg_read_word(reader, "tleg.null_label", words, &word);
    reader->c->no_null_label = word == 2;
    return status;
}

/* y_embedder.embedding_table.weight (labels, D) */
static tleg_status read_labels(struct tleg_config_reader *reader) {
    static const char name[] = "y_embedder.embedding_table.weight";
    const struct tleg_entry *entry;
    tleg_status status = tleg_read_need(reader, name, 2, &entry);
    if (status == TLEG_OK)
        status = read_null_label(reader);
    if (status != TLEG_OK)
        return status;
    const int64_t rows = entry->shape[0], classes = rows - !reader->c->no_null_label;
    if (classes < 1 || classes > TLEG_MAX_CLASSES)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\": expected 1 to %d labels%s, found %lld rows",
                         reader->label, name, TLEG_MAX_CLASSES, reader->c->no_null_label ? "" : ", and the null label",
                         (long long)rows);
    reader->c->classes = (int32_t)classes;
    return TLEG_OK;
}

/* final_layer.linear.weight (P*P*channels, D): the noise of a patch, and maybe as many numbers of the variance */
static tleg_status read_sigma(struct tleg_config_reader *reader) {
    static const char name[] = "final_layer.linear.weight";
    tleg_config *c = reader->c;
    const struct tleg_entry *entry;
    const tleg_status status = tleg_read_need(reader, name, 2, &entry);
    if (status != TLEG_OK)
        return status;
    const int64_t patch = tleg_config_patch_numbers(c), rows = entry->shape[0];
    c->learned_sigma = rows == 2 * patch;
    if (rows == patch || rows == 2 * patch)
        return TLEG_OK;
    return tleg_fail(
        reader->context, TLEG_ERROR_FORMAT,
        "%s: tensor \"%s\": expected %lld rows for the noise of a patch (%d channels of %d x %d), or twice as many, "
        "found %lld",
        reader->label, name, (long long)patch, (int)c->channels, (int)c->patch_size, (int)c->patch_size, (long long)rows);
}

tleg_status tleg_read_drawing(struct tleg_config_reader *reader) {
    const tleg_status status = read_labels(reader);
    return status == TLEG_OK ? read_sigma(reader) : status;
}
