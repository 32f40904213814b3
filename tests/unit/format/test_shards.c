/* A learngene or a model in several files with an index beside them: one file to everybody above. */
#include "support/containers.h"
#include "support/vit_file.h"

#include <time.h>
#include <tleg/learngene.h>
#include <tleg/model.h>

enum { TEXT = 40000 };
static char index_text[TEXT];

static const char *write_text(const char *name, const char *text) {
    return write_scratch(name, text, strlen(text));
}

/* The tensors [from, to) of a file, with its metadata and one key more. */
static void write_shard(const struct vit_file *whole, int32_t from, int32_t to, const char *name) {
    struct vit_file shard = *whole;
    size_t size;
    memmove(shard.tensors, shard.tensors + from, (size_t)(to - from) * sizeof *shard.tensors);
    shard.count = to - from;
    vit_key(&shard, "shard", name);
    if (to == whole->count)
        vit_key(&shard, "last", "yes");
    unsigned char *bytes = vit_bytes(&shard, &size);
    write_scratch(name, bytes, size);
    free(bytes);
}

static void add_line(const char *tensor, const char *shard) {
    const size_t at = strlen(index_text);
    snprintf(index_text + at, TEXT - at, "%s\"%s\": \"%s\"", index_text[at - 1] == '{' ? "" : ", ", tensor, shard);
}

static const char *const shards[] = {"m-00001-of-00003.safetensors", "m-00002-of-00003.safetensors",
                                     "m-00003-of-00003.safetensors"};
enum { SHARDS = 3 };

/* Writes a file in three parts and fills index_text; the index's path, which is written too. */
static const char *write_sharded(const struct vit_file *whole) {
    strcpy(index_text, "\n{\"metadata\": {\"total_size\": 12}, \"weight_map\": {");
    for (int32_t part = 0; part < SHARDS; part++) {
        const int32_t from = whole->count * part / SHARDS, to = whole->count * (part + 1) / SHARDS;
        write_shard(whole, from, to, shards[part]);
    }
    for (int32_t k = whole->count; k-- > 0;) { /* the order of an index means nothing */
        int32_t part = SHARDS - 1;
        while (k < whole->count * part / SHARDS)
            part--;
        add_line(whole->tensors[k].name, shards[part]);
    }
    strcat(index_text, "}}");
    return write_text("m.safetensors.index.json", index_text);
}

static void assert_values(const tleg_file *file, const struct vit_tensor *tensor, const char *name) {
    const struct tleg_entry *entry = tleg_file_find(file, name);
    assert_non_null(entry);
    const size_t count = vit_elements(tensor), first = count / 3;
    float values[5000], part[5000];
    tleg_tensor *whole;
    assert_true(count <= 5000);
    OK(tleg_file_read_f32(context, file, entry, values));
    OK(tleg_file_read_part(context, file, entry, first, count - first, part));
    OK(tleg_file_read_tensor(context, file, name, &whole));
    for (size_t i = 0; i < count; i++)
        assert_true(values[i] == vit_value(tensor->name, i));
    assert_memory_equal(part, values + first, (count - first) * sizeof *part);
    if (whole->dtype == TLEG_F32)
        assert_memory_equal(whole->data, values, count * sizeof *values);
    tleg_tensor_free(whole);
}

/* The lowest number that the next file will get. */
static int free_descriptor(void) {
    const int number = dup(0);
    close(number);
    return number;
}

static void an_index_opens_as_one_file(void **state) {
    (void)state;
    struct vit_file whole;
    tleg_file *file;
    vit_model(&whole, 3);
    vit_type(&whole, "F16");
    for (int32_t k = 0; k < whole.count; k += 2)
        whole.tensors[k].type = "F32";
    vit_key(&whole, "format", "pt");
    const char *path = write_sharded(&whole);
    const int before = free_descriptor();
    for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++) {
        OK(tleg_file_open(context, path, OPEN_WITH(flags, 0), &file));
        assert_int_equal(free_descriptor(), before); /* the index's is free again */
        assert_int_equal(tleg_file_get_tensor_count(file), whole.count);
        for (int32_t k = 0; k < whole.count; k++) {
            assert_string_equal(tleg_file_get_tensor_name(file, k),
                                whole.tensors[k].name); /* part after part, as the data lies */
            assert_values(file, &whole.tensors[k], whole.tensors[k].name);
        }
        assert_string_equal(tleg_file_label(file), path);
        assert_string_equal(tleg_file_get_metadata(file, "format"), "pt");
        assert_string_equal(tleg_file_get_metadata(file, "shard"), shards[0]); /* the first has its way */
        const struct tleg_pair *pairs;
        assert_int_equal(tleg_file_pairs(file, &pairs), 3);
        assert_string_equal(tleg_file_get_metadata(file, "last"), "yes");
        assert_null(tleg_file_get_metadata(file, "total_size"));
        assert_string_equal(tleg_file_nearest(file, "head.weihgt"), "head.weight");
        tleg_file_free(file);
    }
}

static void tensors_that_the_index_does_not_name_are_no_part_of_it(void **state) {
    (void)state;
    struct vit_file whole;
    tleg_file *file;
    vit_model(&whole, 1);
    write_sharded(&whole);
    strcpy(index_text, "{\"weight_map\":{");
    add_line("pos_embed", shards[0]);
    strcat(index_text, "}}");
    OK(tleg_file_open(context, write_text("one.json", index_text), NULL, &file));
    assert_int_equal(tleg_file_get_tensor_count(file), 1);
    assert_null(tleg_file_find(file, "patch_embed.proj.weight"));
    tleg_file_free(file);
}

static void learngenes_and_models_open_by_their_index(void **state) {
    (void)state;
    static const char inner[] = "blocks.block.mlp.fc2.instances.0.weight_ilayer", outer[] = "blocks.2.mlp.fc2.weight";
    struct vit_file whole;
    tleg_learngene *gene;
    tleg_model *model;
    tleg_tensor *tensor;
    vit_gene(&whole);
    for (int32_t k = 0; k < whole.count; k++) { /* a wrapper's names besides */
        char name[120];
        snprintf(name, sizeof name, "module.%.90s", whole.tensors[k].name);
        snprintf(whole.tensors[k].name, sizeof whole.tensors[k].name, "%.95s", name);
    }
    OK(tleg_learngene_open(context, write_sharded(&whole), NULL, &gene));
    OK(tleg_learngene_copy_tensor(context, gene, inner, &tensor));
    for (size_t i = 0; i < 240; i++)
        assert_true(((float *)tensor->data)[i] == vit_value("module.blocks.block.mlp.fc2.instances.0.weight_ilayer", i));
    tleg_tensor_free(tensor);
    tleg_learngene_free(gene);

    vit_model(&whole, 3);
    OK(tleg_model_open(context, write_sharded(&whole), OPEN_WITH(TLEG_OPEN_MAP, 3), &model));
    OK(tleg_model_copy_tensor(context, model, outer, &tensor));
    for (size_t i = 0; i < 240; i++)
        assert_true(((float *)tensor->data)[i] == vit_value(outer, i));
    tleg_tensor_free(tensor);
    tleg_model_free(model);
}

static void shards_lie_beside_the_name_that_is_given(void **state) {
    (void)state;
    struct vit_file whole;
    tleg_file *file;
    vit_model(&whole, 1);
    const char *path = write_sharded(&whole);
    char store[400], link[400];
    snprintf(store, sizeof store, "%s", in_scratch("store"));
    snprintf(link, sizeof link, "%s", in_scratch("link.index.json"));
    assert_int_equal(rename(path, store), 0); /* a cache keeps files elsewhere under other names */
    assert_int_equal(symlink("store", link), 0);
    OK(tleg_file_open(context, link, NULL, &file));
    tleg_file_free(file);
    assert_int_equal(chdir(scratch), 0); /* a name without a folder */
    OK(tleg_file_open(context, "link.index.json", NULL, &file));
    tleg_file_free(file);
    assert_int_equal(chdir("/"), 0);
}

static void refused(const char *text, tleg_status status, const char *says, const char *also) {
    tleg_file *file = (tleg_file *)(uintptr_t)1;
    for (uint32_t flags = 0; flags <= TLEG_OPEN_MAP; flags++) {
        assert_error(tleg_file_open(context, write_text("bad.json", text), OPEN_WITH(flags, 0), &file), status, says);
        assert_contains(tleg_context_get_error(context), also);
        assert_null(file);
    }
}

static void what_is_wrong_with_an_index_is_named(void **state) {
    (void)state;
    static const struct {
        const char *map, *says, *also;
        tleg_status status;
    } cases[] = {
        {"{\"pos_embed\":\"none.safetensors\"}", "none.safetensors: cannot be opened: No such file", "", TLEG_ERROR_NOT_FOUND},
        {"{\"pos_embed\":\"m-00002-of-00003.safetensors\"}", "tensor 'pos_embed' is not in m-00002-of-00003.safetensors",
         "bad.json", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"m-00001-of-00003.safetensors\",\"pos\\u005fembed\":\"m-00001-of-00003.safetensors\"}", "duplicate",
         "'pos_embed'", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"../m\"}", "'pos_embed': expected the name of a file beside it, found '../m'", "bad.json",
         TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"/etc/passwd\"}", "found '/etc/passwd'", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"a\\\\b\"}", "found 'a\\b'", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"..\"}", "found '..'", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"\"}", "found ''", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":1}", "weight_map must give each tensor the name of a file", "bad.json", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"a\\u0000b\"}", "without a NUL", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"bad.json\"}", "bad.json is an index of several", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":\"cut.safetensors\"}", "cut.safetensors is truncated", "", TLEG_ERROR_FORMAT},
        {"{}", "object \"weight_map\" of tensors", "bad.json", TLEG_ERROR_FORMAT},
        {"[]", "object \"weight_map\" of tensors", "", TLEG_ERROR_FORMAT},
        {"{\"pos_embed\":", "bad.json is no JSON", "", TLEG_ERROR_FORMAT},
        {"{}}", "bad.json is no JSON", "text after", TLEG_ERROR_FORMAT},
    };
    struct vit_file whole;
    size_t size;
    char text[400];
    vit_model(&whole, 1);
    write_sharded(&whole);
    unsigned char *bytes = vit_bytes(&whole, &size);
    write_scratch("cut.safetensors", bytes, size - 1);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        snprintf(text, sizeof text, "{\"weight_map\":%s}", cases[k].map);
        refused(text, cases[k].status, cases[k].says, cases[k].also);
    }
    refused("{\"x\":\"weight_map\", \"weight_map\":\"m\"}", TLEG_ERROR_FORMAT, "object \"weight_map\" of tensors", "");
    refused("{\"x\":[1,2,3], \"y\":4}", TLEG_ERROR_FORMAT, "a JSON text, no safetensors file", "");
    free(bytes);
}

/* A header of 123 bytes begins, as an index does, with '{'. */
static void a_file_that_only_looks_like_an_index_is_none(void **state) {
    (void)state;
    char json[124];
    size_t size;
    tleg_file *file;
    snprintf(json, sizeof json, "%-123s", "{\"weight_map\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    unsigned char *bytes = container(json, 1, &size);
    assert_int_equal(bytes[0], '{');
    OK(tleg_file_open(context, write_scratch("x.safetensors", bytes, size), NULL, &file));
    assert_string_equal(tleg_file_get_tensor_name(file, 0), "weight_map");
    tleg_file_free(file);
    free(bytes);
}

static void in_memory_an_index_says_where_it_must_be(void **state) {
    (void)state;
    struct vit_file whole;
    tleg_file *file;
    vit_model(&whole, 1);
    write_sharded(&whole);
    assert_error(tleg_file_parse(context, index_text, strlen(index_text), &file), TLEG_ERROR_FORMAT, "open it by its path");
    assert_null(file);
}

static void open_shard(const struct vit_file *made, const char *name, const char *says) {
    size_t size;
    tleg_model *model;
    unsigned char *bytes = vit_bytes(made, &size);
    const tleg_status status = tleg_model_open(context, write_scratch(name, bytes, size), OPEN_WITH(0, 3), &model);
    assert_error(status, says ? TLEG_ERROR_FORMAT : TLEG_OK, says ? says : "");
    tleg_model_free(model);
    free(bytes);
}

static void a_shard_alone_points_to_its_index(void **state) {
    (void)state;
    struct vit_file made;
    vit_model(&made, 2);
    open_shard(&made, "x-00001-of-00001.safetensors", NULL);
    open_shard(&made, "x-1-of-2.safetensors", NULL);
    open_shard(&made, "x-1-of-00002.safetensors", NULL);
    open_shard(&made, "x-00001-of-00002.safetensors.old", NULL);
    open_shard(&made, "x-00001-of-00002.safetensors", "found 2 layer(s); by its name this is one of several files");
    vit_remove(&made, "head.weight");
    open_shard(&made, "x-00001-of-00002.safetensors", "missing tensor \"head.weight\"; by its name this is one of several");
    open_shard(&made, "x-00001-of-00001.safetensors", "missing tensor \"head.weight\"");
    assert_null(strstr(tleg_context_get_error(context), "several"));
}

/* Every shard with as many keys of its own, and one that all have: looking each up in each file before would take minutes. */
static void metadata_of_many_shards_take_no_time(void **state) {
    (void)state;
    enum { FILES = 900, KEYS = 300, EACH = 24 };
    char *json = malloc(KEYS * EACH + 200), name[40];
    size_t size;
    strcpy(index_text, "{\"weight_map\":{");
    for (int part = 0; part < FILES; part++) {
        size_t length = (size_t)sprintf(json, "{\"__metadata__\":{\"all\":\"%d\"", part);
        for (int k = 0; k < KEYS; k++)
            length += (size_t)sprintf(json + length, ",\"%d.%d\":\"%d\"", part, k, k);
        sprintf(json + length, "},\"t%d\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", part);
        unsigned char *bytes = container(json, 1, &size);
        snprintf(name, sizeof name, "s%03d", part);
        write_scratch(name, bytes, size);
        free(bytes);
        char tensor[16];
        snprintf(tensor, sizeof tensor, "t%d", part);
        add_line(tensor, name);
    }
    strcat(index_text, "}}");
    free(json);
    const char *path = write_text("many.json", index_text);
    tleg_file *file;
    const struct tleg_pair *pairs;
    const clock_t start = clock();
    OK(tleg_file_open(context, path, OPEN_WITH(TLEG_OPEN_MAP, 0), &file));
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 3); /* a fifth; 5 s where each key was looked up */
    assert_int_equal(tleg_file_pairs(file, &pairs), FILES * KEYS + 1);
    assert_string_equal(tleg_file_get_metadata(file, "all"), "0");
    assert_string_equal(tleg_file_get_metadata(file, "899.7"), "7");
    assert_string_equal(pairs[1].key, "0.0"); /* in the shards' order */
    tleg_file_free(file);
}

/* One file under eleven names: each would be held. */
static void headers_together_are_no_longer_than_one_may_be(void **state) {
    (void)state;
    enum { BLANKS = 9500000, NAMES = 11 };
    static const char start[] = "{\"t\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}";
    char *json = malloc(sizeof start + BLANKS + 1), names[NAMES][16];
    size_t size, length = sizeof start - 1;
    assert_non_null(json);
    memcpy(json, start, length);
    memset(json + length, ' ', BLANKS);
    strcpy(json + length + BLANKS, "}");
    unsigned char *bytes = container(json, 1, &size);
    char first[400];
    snprintf(first, sizeof first, "%s", write_scratch("n0", bytes, size));
    free(bytes);
    free(json);
    tleg_file *file;
    for (int count = NAMES - 1; count <= NAMES; count++) {
        /* each name needs a tensor of its own in the index; the file has one, so that all but the first are missing */
        strcpy(index_text, "{\"weight_map\":{");
        for (int k = 0; k < count; k++) {
            snprintf(names[k], sizeof names[k], "n%d", k);
            if (k > 0)
                link(first, in_scratch(names[k]));
            char tensor[16];
            snprintf(tensor, sizeof tensor, k ? "t%d" : "t", k);
            add_line(tensor, names[k]);
        }
        strcat(index_text, "}}");
        assert_error(tleg_file_open(context, write_text("many.json", index_text), OPEN_WITH(TLEG_OPEN_MAP, 0), &file),
                     TLEG_ERROR_FORMAT, count < NAMES ? "is not in n" : "more than 100000000 bytes together");
    }
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    struct vit_file whole;
    tleg_status status = TLEG_ERROR_MEMORY;
    tleg_file *file;
    vit_model(&whole, 1);
    const char *path = write_sharded(&whole);
    const int before = free_descriptor();
    int64_t k = 0;
    while (status == TLEG_ERROR_MEMORY) {
        const int64_t live = counter.live;
        counter.fail_at = counter.calls + ++k;
        status = tleg_file_open(context, path, NULL, &file);
        if (status == TLEG_OK)
            tleg_file_free(file);
        assert_int_equal(counter.live, live);
    }
    counter.fail_at = 0;
    assert_int_equal(status, TLEG_OK);
    assert_true(k > 10);
    assert_int_equal(free_descriptor(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_index_opens_as_one_file),
        TEST(tensors_that_the_index_does_not_name_are_no_part_of_it),
        TEST(learngenes_and_models_open_by_their_index),
        TEST(shards_lie_beside_the_name_that_is_given),
        TEST(what_is_wrong_with_an_index_is_named),
        TEST(a_file_that_only_looks_like_an_index_is_none),
        TEST(in_memory_an_index_says_where_it_must_be),
        TEST(a_shard_alone_points_to_its_index),
        TEST(metadata_of_many_shards_take_no_time),
        TEST(headers_together_are_no_longer_than_one_may_be),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
