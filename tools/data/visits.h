/* Which folders were walked: links may lead to one on many ways. */
#ifndef TLEG_TOOLS_VISITS_H
#define TLEG_TOOLS_VISITS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { VISITS_MOST = 64 }; /* classes under which one folder may stand */

struct visit;

struct visits {
    struct visit *slots; /* a hash table, a power of two long */
    size_t count, room;
};

enum visit_result { VISIT_NEW, VISIT_AGAIN, VISIT_TOO_OFTEN, VISIT_NO_MEMORY };

/* Notes that the folder is walked for a class, a number that rises from 1. AGAIN: it was, for this class; TOO_OFTEN: it stands
 * under VISITS_MOST classes already. Zeroed visits know no folder. */
enum visit_result visits_add(struct visits *visits, const struct stat *folder, size_t class);
void visits_free(struct visits *visits);

#endif
