/* Room for files, as far as the system tells: quotas it does not. */
#include "private.h"

#include "report.h"
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct room {
    bool known;
    dev_t device;
    uint64_t free, whole, growth; /* whole: of the new file; growth: beyond the one that it replaces */
};

static uint64_t free_bytes(const char *folder, bool *known) {
    struct statvfs system;
    *known = statvfs(folder, &system) == 0 && system.f_blocks > 0;
    uint64_t blocks = *known ? (geteuid() == 0 ? system.f_bfree : system.f_bavail) : 0, size = *known ? system.f_frsize : 0;
    return size && blocks > UINT64_MAX / size ? UINT64_MAX : blocks * size;
}

static struct room look(const struct place_need *need) {
    struct room room = {.whole = need->bytes, .growth = need->bytes};
    struct stat found;
    char *resolved = place_resolve(need->path), *folder = resolved ? place_folder(resolved) : NULL;
    if (folder && stat(folder, &found) == 0) {
        room.device = found.st_dev;
        room.free = free_bytes(folder, &room.known);
        if (stat(resolved, &found) == 0)
            room.growth = need->bytes > (uint64_t)found.st_size ? need->bytes - (uint64_t)found.st_size : 0;
    }
    if (need->in_place)
        room.whole = room.growth;
    room.growth *= need->files ? need->files : 1;
    free(folder);
    free(resolved);
    return room;
}

/* The least that the file system `of` must have: each new file stands beside the former one for a while, and one that is
 * written again and again beside its own. */
static uint64_t least(const struct place_need *needs, int count, const struct room *of) {
    uint64_t sum = 0, most = 0, beside = 0;
    for (int i = 0; i < count; i++) {
        struct room room = look(&needs[i]);
        if (!room.known || room.device != of->device)
            continue;
        sum += room.growth;
        most = room.whole > most ? room.whole : most;
        beside = needs[i].again && room.whole > beside ? room.whole : beside;
    }
    return sum + beside > most ? sum + beside : most;
}

static int check_limit(const struct invocation *call, const struct place_need *need) {
    struct rlimit limit;
    char bytes[24], allowed[24];
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || need->bytes <= limit.rlim_cur)
        return EXIT_DONE;
    return tool_fail(call, "%s %s: File too large: it takes %s, and the limit on the size of files is %s (ulimit -f)",
                     need->what, need->path, report_bytes(need->bytes, bytes), report_bytes(limit.rlim_cur, allowed));
}

int place_room(const struct invocation *call, const struct place_need *needs, int count) {
    char bytes[24], there[24];
    int code = EXIT_DONE;
    for (int i = 0; i < count && code == EXIT_DONE; i++) {
        struct room room = look(&needs[i]);
        uint64_t needed = room.known ? least(needs, count, &room) : 0;
        code = check_limit(call, &needs[i]);
        if (code == EXIT_DONE && room.known && needed > room.free)
            code = tool_fail(call, "%s %s: no space: %s are needed there, and %s are left", needs[i].what, needs[i].path,
                             report_bytes(needed, bytes), report_bytes(room.free, there));
    }
    return code;
}

int place_out_room(const struct invocation *call, const char *path, uint64_t bytes) {
    const struct place_need need = {.what = "-o", .path = path, .bytes = bytes};
    return place_room(call, &need, 1);
}
