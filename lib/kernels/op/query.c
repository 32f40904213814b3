/* Attention of one query for each image, and back: a product for each token is little beside what gave keys and values. */
#include "kernels/kernels.h"
#include "kernels/op/four.h"

#include <math.h>

/* Four sums side by side, then across: the same bits wherever it runs. */
static float dot(const float *a, const float *b, int64_t count) {
    four sum = {0};
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
        sum += four_load(a + i) * four_load(b + i);
    if (i < count)
        sum += four_load_some(a + i, (size_t)(count - i)) * four_load_some(b + i, (size_t)(count - i));
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* to += c * from */
static void add_scaled(float *to, float c, const float *from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += c * from[i];
}

static void softmax(int64_t count, float *s) {
    float most = s[0], sum = 0;
    for (int64_t i = 1; i < count; i++)
        most = s[i] > most ? s[i] : most;
    for (int64_t i = 0; i < count; i += 4) {
        const size_t part = count - i < 4 ? (size_t)(count - i) : 4;
        four_store_some(s + i, four_exp_low(four_load_some(s + i, part) - most), part);
    }
    for (int64_t i = 0; i < count; i++)
        sum += s[i];
    for (int64_t i = 0; i < count; i++)
        s[i] /= sum;
}

struct head { /* of an image */
    int64_t width, stride;
    float scale;
    const float *q, *k, *v;
    int64_t at; /* of its first number in an image's row (D) */
};

static struct head head_of(const struct tleg_query_attention *a, int64_t item) {
    const int64_t width = a->dim / a->heads, image = item / a->heads, at = item % a->heads * width;
    const float *k = a->kv + image * a->tokens * 2 * a->dim + at;
    return (struct head){.width = width,
                         .stride = 2 * a->dim,
                         .scale = 1.0F / sqrtf((float)width),
                         .q = a->q + at,
                         .k = k,
                         .v = k + a->dim,
                         .at = image * a->dim + at};
}

static void forward(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct tleg_query_attention *a = arg;
    const struct head h = head_of(a, item);
    float *s = a->shares + item * a->tokens, *out = a->out + h.at;
    const int64_t first = a->first;
    for (int64_t t = 0; t < first; t++)
        s[t] = 0;
    for (int64_t t = first; t < a->tokens; t++)
        s[t] = h.scale * dot(h.q, h.k + t * h.stride, h.width);
    softmax(a->tokens - first, s + first);
    for (int64_t i = 0; i < h.width; i++)
        out[i] = s[first] * h.v[first * h.stride + i];
    for (int64_t t = first + 1; t < a->tokens; t++)
        add_scaled(out, s[t], h.v + t * h.stride, h.width);
}

void tleg_query_attention(const struct tleg_exec *exec, const struct tleg_query_attention *attention) {
    struct tleg_query_attention own = *attention;
    tleg_for_each(exec, own.batch * own.heads, forward, &own);
}

/* With p the shares and g = dv . v of a token: dv = p dout, ds = p (g - the mean of g weighed by p), dq = scale sum ds k and
 * dk = scale ds q. */
static void backward(void *arg, int64_t item, char *lane) {
    (void)lane;
    const struct tleg_query_attention_backward *b = arg;
    const struct head h = head_of(&b->forward, item);
    const int64_t tokens = b->forward.tokens, dim = b->forward.dim;
    const float *p = b->forward.shares + item * tokens, *dout = b->dout + h.at;
    float *dk = b->dkv + (h.k - b->forward.kv), *dv = dk + dim, *dq = b->dq + h.at, mean = 0;
    for (int64_t t = 0; t < tokens; t++)
        mean += p[t] * dot(dout, h.v + t * h.stride, h.width);
    for (int64_t i = 0; i < h.width; i++)
        dq[i] = 0;
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t row = t * h.stride;
        const float ds = h.scale * p[t] * (dot(dout, h.v + row, h.width) - mean);
        for (int64_t i = 0; i < h.width; i++) {
            dv[row + i] = p[t] * dout[i];
            dk[row + i] = ds * h.q[i];
        }
        add_scaled(dq, ds, h.k + row, h.width);
    }
}

void tleg_query_attention_backward(const struct tleg_exec *exec, const struct tleg_query_attention_backward *given) {
    struct tleg_query_attention_backward own = *given;
    tleg_for_each(exec, own.forward.batch * own.forward.heads, backward, &own);
}
