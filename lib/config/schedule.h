/* tleg.schedule: how the layers of each site of a learngene are cut into segments. */
#ifndef TLEG_LIB_CONFIG_SCHEDULE_H
#define TLEG_LIB_CONFIG_SCHEDULE_H

#include "config/config.h"
#include "config/text.h"

struct tleg_schedule {
    struct tleg_allocator allocator;
    struct tleg_span *spans[TLEG_SITES];
    int32_t count[TLEG_SITES]; /* at least 1 each */
    int32_t depth;             /* layers that each named site covers; 0 when none is named */
    void *memory;
    size_t bytes;
};

/* Reads the JSON of tleg.schedule; "" or NULL is the plain one. FORMAT names `what`, the site, what was expected and found. */
tleg_status tleg_schedule_parse(tleg_context *context, const char *what, const char *text, struct tleg_schedule *schedule);
/* Leaves out what a host says of sites that the network does not have: it may have gone through all keys. */
void tleg_schedule_drop_absent(struct tleg_schedule *schedule, const tleg_config *config);
/* FORMAT names such a site in a file. */
tleg_status tleg_schedule_check(tleg_context *context, const char *what, const struct tleg_schedule *schedule,
                                const tleg_config *config);
/* Says that a site which the schedule leaves out is one shared segment. */
void tleg_schedule_set_shared(struct tleg_schedule *schedule, enum tleg_site site);
/* Writes the schedule as JSON without blanks, sites in the order of enum tleg_site; "" when no site is named. Returns the
 * length; `out` NULL: only that. */
size_t tleg_schedule_text(const struct tleg_schedule *schedule, char *out);
/* The same into memory of the context's, *bytes long. MEMORY, and *text is NULL. */
tleg_status tleg_schedule_write(tleg_context *context, const struct tleg_schedule *schedule, char **text, size_t *bytes);
/* One segment of that: [12,true], [12,false], [12,"chebyshev",4]. */
void tleg_span_text(const struct tleg_span *span, struct tleg_text *text);
void tleg_schedule_free(struct tleg_schedule *schedule); /* zeroed is allowed */

/* A tensor's place in a learngene: outside the blocks, or in a segment of a site. */
struct tleg_gene_place {
    enum tleg_slot slot; /* TLEG_SLOT_NONE: in the blocks */
    enum tleg_site site; /* TLEG_SITE_NONE: outside */
    int32_t segment;
    bool bias;
    int32_t tensor, tensors; /* which of the segment's so many */
};
/* Calls visit for each tensor of a learngene, in file order, until one returns another status than TLEG_OK. */
tleg_status tleg_gene_each(const tleg_config *config, const struct tleg_schedule *schedule,
                           tleg_status (*visit)(void *arg, const struct tleg_gene_place *place, const struct tleg_spec *spec),
                           void *arg);

#endif
