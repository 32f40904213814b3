/* Where the layers of a model of any depth lie in a learngene's segments. */
#include "learngene/learngene.h"

void tleg_schedule_share(int32_t count, const int32_t *lengths, int32_t depth, int32_t *now) {
    int64_t sum = 0;
    for (int32_t k = 0; k < count; k++) {
        sum += lengths[k];
        now[k] = 1;
    }
    for (int32_t left = depth - count; left > 0; left--) {
        /* how far segment k is below its proportional share, times sum */
        int32_t furthest = 0;
        int64_t most = INT64_MIN;
        for (int32_t k = 0; k < count; k++) {
            const int64_t below = (int64_t)lengths[k] * depth - now[k] * sum;
            if (below > most) {
                most = below;
                furthest = k;
            }
        }
        now[furthest]++;
    }
}

struct tleg_layer_place tleg_schedule_at(int32_t count, const int32_t *now, int32_t layer) {
    int32_t k = 0;
    while (k + 1 < count && layer >= now[k])
        layer -= now[k++];
    return (struct tleg_layer_place){k, layer, now[k]};
}

int32_t tleg_schedule_least(const struct tleg_learngene *gene) {
    int32_t least = 1;
    for (int site = 0; site < TLEG_SITES; site++)
        if (gene->segment_count[site] > least)
            least = gene->segment_count[site];
    return least;
}
