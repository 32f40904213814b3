/* Rules for names, or a config beside the weights, over one small file: whatever comes of it can be read to its end. The first
 * byte says which text it is. */
#include "fuzz/target.h"
#include "names/names.h"

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
    fuzz_need(tleg_file_parse(context, bytes, sizeof bytes, &file) == TLEG_OK);
    return file;
}

static void read_whole(tleg_context *context, const tleg_file *file) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(file, &entries);
    for (int64_t k = 0; k < count; k++) {
        tleg_tensor *tensor;
        fuzz_need(tleg_file_read_tensor(context, file, entries[k].name, &tensor) == TLEG_OK); /* all pieces are there */
        tleg_tensor_free(tensor);
    }
}

int fuzz_input(const uint8_t *data, size_t size) {
    static const char *const texts[] = {"config.json", "preprocessor_config.json", "open_clip_config.json"};
    struct fuzz_host host = {0};
    if (size == 0 || memchr(data, 0, size))
        return 0;
    tleg_context *context = fuzz_begin(&host);
    tleg_file *file = open_small(context), *beside = NULL, *named;
    char *text = malloc(size);
    fuzz_need(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    const unsigned kind = data[0] % 4;
    const bool rules = kind == 3;
    const struct tleg_pair pair = {rules ? "" : data[0] == 'Q' ? "processor_config.json" : texts[kind], text};
    fuzz_need(rules || tleg_file_with_pairs(context, file, &pair, 1, &beside) == TLEG_OK);
    const tleg_status status = tleg_names_read(context, rules ? file : beside, rules ? text : NULL, &named);
    fuzz_need_error(context, status);
    fuzz_need((status == TLEG_OK) == (named != NULL));
    if (named)
        read_whole(context, named);
    tleg_file_free(named);
    tleg_file_free(beside);
    tleg_file_free(file);
    free(text);
    fuzz_end(context, &host);
    return 0;
}
