/* A layer's matrices for the way back: W (n, k) packed as the weight (k, n), so that dx = dy W is a product like any other. */
#include "vit/weights/weights.h"

void tleg_turned_layout(const struct tleg_kernels *kernels, const tleg_config *config, int32_t dtype,
                        struct tleg_turned_layout *layout) {
    size_t end = 0;
    layout->dtype = dtype;
    for (int site = 0; site < TLEG_SITES; site++) {
        int64_t n, k;
        size_t count = tleg_site_matrix(config, site, &n, &k) ? tleg_packed_count(kernels, dtype, k, n) : 0;
        layout->weight[site] = tleg_place(&end, count, tleg_dtype_size(dtype));
    }
    layout->bytes = end;
}

void tleg_turned_put(const struct tleg_exec *exec, const tleg_config *config, const struct tleg_turned_layout *layout,
                     char *memory, enum tleg_site site, const float *w) {
    int64_t n, k;
    if (tleg_site_matrix(config, site, &n, &k))
        tleg_pack_transposed(exec, layout->dtype, n, k, w, memory + layout->weight[site]);
}

void tleg_turned_view(const struct tleg_turned_layout *layout, const tleg_config *config, const char *memory,
                      struct tleg_weight turned[TLEG_SITES]) {
    for (int site = 0; site < TLEG_SITES; site++) {
        int64_t n, k;
        turned[site] = (struct tleg_weight){.stored = layout->dtype, .rounded = layout->dtype};
        if (!tleg_site_matrix(config, site, &n, &k))
            continue;
        turned[site].n = k;
        turned[site].k = n;
        turned[site].basis = tleg_basis_one(memory + layout->weight[site]);
    }
}
