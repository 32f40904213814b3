/* Rules for names, or a config beside the weights, over one small file: whatever comes of it can be read to its end. The first byte
 * says which text it is. */
#include "names/names.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>

/* Tensors of every rank and of two layers, under names with words that families know. */
static const char header[] =
    "{\"vit.embeddings.cls_token\":{\"dtype\":\"F32\",\"shape\":[1,1,4],\"data_offsets\":[0,16]},"
    "\"vit.embeddings.patch_embeddings.projection.weight\":{\"dtype\":\"F32\",\"shape\":[4,3,2,2],\"data_offsets\":[16,208]},"
    "\"vit.embeddings.position_embeddings\":{\"dtype\":\"F16\",\"shape\":[1,5,4],\"data_offsets\":[208,248]},"
    "\"vit.layers.0.layernorm_before.weight\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[248,264]},"
    "\"vit.layers.1.layernorm_before.weight\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[264,272]},"
    "\"classifier.weight\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[272,320]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,12],\"data_offsets\":[320,416]},"
    "\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[416,424]}}";
enum { DATA = 424 };

static tleg_file *open_small(tleg_context *context) {
    static unsigned char bytes[8 + sizeof header - 1 + DATA];
    const uint64_t length = sizeof header - 1;
    tleg_file *file;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, sizeof header - 1);
    for (size_t k = 0; k < DATA; k++)
        bytes[8 + sizeof header - 1 + k] = (unsigned char)(k % 60);
    if (tleg_file_parse(context, bytes, sizeof bytes, &file) != TLEG_OK)
        abort();
    return file;
}

static void read_whole(tleg_context *context, const tleg_file *file) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(file, &entries);
    for (int64_t k = 0; k < count; k++) {
        tleg_tensor *tensor;
        if (tleg_file_read_tensor(context, file, entries[k].name, &tensor) != TLEG_OK)
            abort(); /* all of its pieces are there */
        tleg_tensor_free(tensor);
    }
}

void fuzz_input(const uint8_t *data, size_t size) {
    static const char *const texts[] = {"config.json", "preprocessor_config.json", "open_clip_config.json"};
    tleg_context *context;
    tleg_file *file, *beside = NULL, *named;
    if (size == 0 || memchr(data + 1, 0, size - 1) || tleg_context_create(NULL, &context) != TLEG_OK)
        return;
    char *text = malloc(size);
    if (!text)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    file = open_small(context);
    const unsigned kind = data[0] % 4;
    const struct tleg_pair pair = {kind < 3 ? texts[kind] : "", text};
    if (kind < 3 && tleg_file_with_pairs(context, file, &pair, 1, &beside) != TLEG_OK)
        abort();
    const tleg_status status = tleg_names_read(context, kind < 3 ? beside : file, kind < 3 ? "" : text, &named);
    if (status == TLEG_OK)
        read_whole(context, named);
    else if (named || !*tleg_context_get_error(context))
        abort();
    tleg_file_free(named);
    tleg_file_free(beside);
    tleg_file_free(file);
    free(text);
    tleg_context_free(context);
}
