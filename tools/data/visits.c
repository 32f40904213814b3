#include "visits.h"

#include <stdlib.h>

struct visit {
    uint64_t device, node;
    size_t class, classes; /* the last, 0 in an empty slot; how many there were */
};

static size_t place_of(const struct visit *visit, size_t room) {
    uint64_t hash = (visit->node ^ visit->device << 32) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash >> 32) & (room - 1);
}

/* The slot of the folder, or the empty one where it belongs. */
static struct visit *find(struct visit *slots, size_t room, const struct visit *wanted) {
    size_t at = place_of(wanted, room);
    while (slots[at].class != 0 && (slots[at].node != wanted->node || slots[at].device != wanted->device))
        at = (at + 1) & (room - 1);
    return &slots[at];
}

/* Half of the slots stay empty. */
static int grow(struct visits *visits) {
    const size_t room = visits->room > 0 ? 2 * visits->room : 64;
    struct visit *slots = room > SIZE_MAX / sizeof *slots ? NULL : calloc(room, sizeof *slots);
    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < visits->room; i++)
        if (visits->slots[i].class != 0)
            *find(slots, room, &visits->slots[i]) = visits->slots[i];
    free(visits->slots);
    visits->slots = slots;
    visits->room = room;
    return 0;
}

enum visit_result visits_add(struct visits *visits, const struct stat *folder, size_t class) {
    if (visits->count >= visits->room / 2 && grow(visits) != 0)
        return VISIT_NO_MEMORY;
    const struct visit wanted = {.device = (uint64_t)folder->st_dev, .node = (uint64_t)folder->st_ino};
    struct visit *slot = find(visits->slots, visits->room, &wanted);
    if (slot->class == class)
        return VISIT_AGAIN;
    if (slot->class == 0) {
        *slot = wanted;
        visits->count++;
    }
    if (slot->classes == VISITS_MOST)
        return VISIT_TOO_OFTEN;
    slot->class = class;
    slot->classes++;
    return VISIT_NEW;
}

void visits_free(struct visits *visits) {
    free(visits->slots);
    *visits = (struct visits){0};
}
