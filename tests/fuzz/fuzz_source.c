/* Any list of tensors (target.h) through a host's source, as a learngene, a model and an expander: what the same bytes give in
 * memory, as long as the source is honest; an error and nothing left when a read fails, the size is a lie, or the host's
 * progress says stop. The first bytes of the input say which. */
#include "fuzz/target.h"

#include <stdlib.h>
#include <string.h>
#include <tleg/tleg.h>

enum { CONTROL = 4 };

struct store {
    const uint8_t *bytes;
    size_t size;    /* there are */
    size_t claimed; /* it says there are */
    size_t reads, fail_at;
    tleg_status failure;
    int released;
};

static tleg_status TLEG_CALL read_store(void *host, uint64_t offset, size_t bytes, void *out) {
    struct store *store = host;
    fuzz_need(bytes > 0 && offset <= store->claimed && bytes <= store->claimed - offset);
    if (++store->reads == store->fail_at)
        return store->failure;
    if (offset > store->size || bytes > store->size - offset)
        return TLEG_ERROR_IO; /* claimed, but not there */
    memcpy(out, store->bytes + offset, bytes);
    return TLEG_OK;
}

static void TLEG_CALL release_store(void *host) {
    struct store *store = host;
    store->released++;
}

/* As fuzz_need_error, but a read may fail. */
static void need_text(const tleg_context *context, tleg_status status) {
    fuzz_need(status == TLEG_OK || tleg_context_get_error(context)[0] != '\0');
    fuzz_need(status != TLEG_ERROR_STATE);
}

/* What was opened of a file. */
struct opened {
    tleg_status status[3];
    tleg_learngene *gene;
    tleg_model *model;
    tleg_expander *expander;
};

static struct opened open_file(tleg_context *context, const tleg_file *file) {
    struct opened opened = {0};
    opened.status[0] = tleg_learngene_read(context, file, NULL, &opened.gene);
    need_text(context, opened.status[0]);
    opened.status[1] = tleg_model_read(context, file, NULL, &opened.model);
    need_text(context, opened.status[1]);
    opened.status[2] = tleg_expander_read(context, file, NULL, NULL, &opened.expander);
    need_text(context, opened.status[2]);
    fuzz_need(!opened.gene == (opened.status[0] != TLEG_OK) && !opened.model == (opened.status[1] != TLEG_OK));
    fuzz_need(!opened.expander == (opened.status[2] != TLEG_OK));
    return opened;
}

static void close_opened(struct opened *opened) {
    tleg_learngene_free(opened->gene);
    tleg_model_free(opened->model);
    tleg_expander_free(opened->expander);
}

static void compare_tensor(tleg_tensor *one, tleg_tensor *other) {
    tleg_tensor_info a = {.struct_size = sizeof a}, b = {.struct_size = sizeof b};
    fuzz_need(tleg_tensor_get_info(NULL, one, &a) == TLEG_OK && tleg_tensor_get_info(NULL, other, &b) == TLEG_OK);
    fuzz_need(a.dtype == b.dtype && a.bytes == b.bytes && memcmp(a.data, b.data, (size_t)a.bytes) == 0);
    tleg_tensor_free(one);
    tleg_tensor_free(other);
}

/* The same names and numbers, where memory did for both: through a source the header is held as well. */
static void compare(tleg_context *context, const struct opened *one, const struct opened *other) {
    const char *name;
    tleg_tensor *a, *b;
    for (int i = 0; i < 3; i++)
        if (one->status[i] == TLEG_ERROR_MEMORY || other->status[i] == TLEG_ERROR_MEMORY)
            return;
    fuzz_need(memcmp(one->status, other->status, sizeof one->status) == 0);
    for (int64_t i = 0; one->gene && (name = tleg_learngene_get_tensor_name(one->gene, i)) != NULL; i++) {
        fuzz_need(tleg_learngene_copy_tensor(context, one->gene, name, &a) == TLEG_OK);
        fuzz_need(tleg_learngene_copy_tensor(context, other->gene, name, &b) == TLEG_OK);
        compare_tensor(a, b);
    }
    for (int64_t i = 0; one->model && (name = tleg_model_get_tensor_name(one->model, i)) != NULL; i++) {
        fuzz_need(tleg_model_copy_tensor(context, one->model, name, &a) == TLEG_OK);
        fuzz_need(tleg_model_copy_tensor(context, other->model, name, &b) == TLEG_OK);
        compare_tensor(a, b);
    }
}

/* Opens the store in a context of its own; *opened is to be closed when `keep`. */
static tleg_status through_source(tleg_context *context, struct store *store, struct opened *opened) {
    const tleg_source source = {.struct_size = sizeof source,
                                .size = store->claimed,
                                .read = read_store,
                                .release = release_store,
                                .host = store,
                                .name = "a \xff store"};
    tleg_file *file;
    const tleg_status status = tleg_file_open_source(context, &source, &file);
    *opened = (struct opened){0};
    need_text(context, status);
    fuzz_need(!file == (status != TLEG_OK));
    if (file)
        *opened = open_file(context, file);
    fuzz_need(store->released == 0);
    tleg_file_free(file);
    fuzz_need(store->released == (file != NULL));
    return status;
}

static void honest(const uint8_t *bytes, size_t size) {
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    struct store store = {.bytes = bytes, .size = size, .claimed = size};
    struct opened there, here = {0};
    tleg_file *file;
    const tleg_status expected = tleg_file_parse(context, bytes, size, &file);
    if (file)
        here = open_file(context, file);
    fuzz_need(through_source(context, &store, &there) == expected);
    compare(context, &here, &there);
    close_opened(&here);
    close_opened(&there);
    tleg_file_free(file);
    fuzz_end(context, &host);
}

/* A source that fails or lies: whatever it gives, an answer, and nothing is held. */
static void dishonest(const uint8_t *bytes, size_t size, const uint8_t control[CONTROL]) {
    static const tleg_status failures[] = {TLEG_ERROR_IO, TLEG_ERROR_CANCELLED, TLEG_ERROR_FORMAT, 77, -1};
    struct fuzz_host host = {0};
    tleg_context *context = fuzz_begin(&host);
    const size_t change = control[2] % 128;
    struct store store = {.bytes = bytes,
                          .size = size,
                          .claimed = control[2] < 128 ? size + change : size - (change < size ? change : size),
                          .fail_at = control[0],
                          .failure = failures[control[1] % 5]};
    struct opened opened;
    through_source(context, &store, &opened);
    close_opened(&opened);
    fuzz_end(context, &host);
}

int fuzz_input(const uint8_t *data, size_t size) {
    if (size <= CONTROL)
        return 0;
    size_t bytes;
    uint8_t *file = fuzz_listing(data + CONTROL, size - CONTROL, &bytes);
    honest(file, bytes);
    dishonest(file, bytes, data);
    free(file);
    return 0;
}
