/* The tensors of a learngene, one after the other, as configuration and schedule say. */
#include "config/schedule.h"
#include <string.h>

struct walk {
    const tleg_config *config;
    tleg_status (*visit)(void *arg, const struct tleg_gene_place *place, const struct tleg_spec *spec);
    void *arg;
};

static tleg_status visit_outer(const struct walk *walk, int first, int end) {
    tleg_status status = TLEG_OK;
    for (int slot = first; status == TLEG_OK && slot < end; slot++) {
        const struct tleg_gene_place place = {.slot = (enum tleg_slot)slot, .site = TLEG_SITE_NONE};
        struct tleg_spec spec;
        tleg_outer_spec(walk->config, place.slot, &spec);
        if (spec.name[0])
            status = walk->visit(walk->arg, &place, &spec);
    }
    return status;
}

/* The weight's tensors, then the bias's: weight, bias; or weight_base, weight_ilayer, bias_base, bias_ilayer; and so on. */
static tleg_status visit_segment(const struct walk *walk, enum tleg_site site, int32_t segment, const struct tleg_span *span) {
    const int32_t tensors = tleg_span_tensors(span);
    tleg_status status = TLEG_OK;
    for (int bias = 0; bias < 2; bias++) {
        struct tleg_spec spec;
        tleg_site_spec(walk->config, site, bias, &spec);
        if (!spec.name[0])
            continue;
        for (int32_t tensor = 0; status == TLEG_OK && tensor < tensors; tensor++) {
            const struct tleg_gene_place place = {TLEG_SLOT_NONE, site, segment, bias, tensor, tensors};
            tleg_segment_name(site, segment, bias, span, tensor, spec.name);
            status = walk->visit(walk->arg, &place, &spec);
        }
    }
    return status;
}

tleg_status tleg_gene_each(const tleg_config *config, const struct tleg_schedule *schedule,
                           tleg_status (*visit)(void *arg, const struct tleg_gene_place *place, const struct tleg_spec *spec),
                           void *arg) {
    const struct walk walk = {config, visit, arg};
    tleg_status status = visit_outer(&walk, 0, TLEG_SLOT_NORM_WEIGHT);
    for (int site = 0; site < TLEG_SITES; site++)
        for (int32_t k = 0; status == TLEG_OK && k < schedule->count[site]; k++)
            status = visit_segment(&walk, (enum tleg_site)site, k, &schedule->spans[site][k]);
    return status == TLEG_OK ? visit_outer(&walk, TLEG_SLOT_NORM_WEIGHT, TLEG_SLOTS) : status;
}
