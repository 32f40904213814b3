/* Asks the kernel: /proc and the cgroups' files on Linux; elsewhere nothing is known. */
#include "memory_left.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { LINE = 4096 + 256 };

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t difference(uint64_t limit, uint64_t used) {
    return limit > used ? limit - used : 0;
}

/* The number after `key` at the start of a line; false where the file has none. key "": the file's first number. */
static bool find_number(const char *path, const char *key, uint64_t *number) {
    FILE *file = fopen(path, "r");
    char line[LINE], *end = NULL;
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *text = line + strlen(key);
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        *number = strtoull(text, &end, 10);
        found = end != text;
    }
    if (file)
        fclose(file);
    return found;
}

/* ---- cgroups ---- */

/* The names of one version's files; what can be dropped (the file's pages that nobody uses) does not count as used. */
struct version {
    const char *root, *limit, *used, *stat, *droppable;
};
static const struct version versions[] = {
    {"/sys/fs/cgroup", "memory.max", "memory.current", "memory.stat", "inactive_file "},
    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_inactive_file "}};

static bool find_in(const char *folder, const char *name, const char *key, uint64_t *number) {
    char path[2 * LINE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return find_number(path, key, number);
}

static uint64_t left_in_folder(const struct version *version, const char *folder) {
    uint64_t limit = 0, used = 0, droppable = 0;
    if (!find_in(folder, version->limit, "", &limit) || !find_in(folder, version->used, "", &used))
        return UINT64_MAX; /* "max", or no such folder: inside a container its path may be the host's */
    (void)find_in(folder, version->stat, version->droppable, &droppable);
    return difference(limit, difference(used, droppable));
}

/* A group, and those above it, up to the root that is mounted. */
static uint64_t left_in_group(const struct version *version, const char *group) {
    char folder[2 * LINE];
    uint64_t left = UINT64_MAX;
    const size_t root = strlen(version->root);
    snprintf(folder, sizeof folder, "%s%s", version->root, group);
    for (size_t length = strlen(folder); length >= root; length--) {
        if (folder[length] && folder[length] != '/')
            continue;
        folder[length] = '\0';
        left = least(left, left_in_folder(version, folder));
    }
    return left;
}

static uint64_t left_in_groups(void) {
    FILE *file = fopen("/proc/self/cgroup", "r");
    char line[LINE];
    uint64_t left = UINT64_MAX;
    while (file && fgets(line, sizeof line, file)) { /* "0::/a/b", or "4:memory:/a/b" among others */
        line[strcspn(line, "\n")] = '\0';
        const char *kinds = strchr(line, ':'), *group = kinds ? strchr(kinds + 1, ':') : NULL;
        if (group && (strncmp(kinds, "::", 2) == 0 || strstr(kinds, "memory")))
            left = least(left, left_in_group(&versions[kinds[1] != ':'], group + 1));
    }
    if (file)
        fclose(file);
    return left;
}

/* ---- limits ---- */

static uint64_t left_of(int kind, const char *used_key) {
    struct rlimit limit;
    uint64_t used = 0;
    if (getrlimit(kind, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    (void)find_number("/proc/self/status", used_key, &used);
    return difference(limit.rlim_cur, used * 1024);
}

uint64_t memory_left(void) {
    uint64_t machine = 0;
    uint64_t left = find_number("/proc/meminfo", "MemAvailable:", &machine) ? machine * 1024 : UINT64_MAX;
    left = least(left, left_of(RLIMIT_AS, "VmSize:"));
    left = least(left, left_of(RLIMIT_DATA, "VmData:"));
    return least(left, left_in_groups());
}
