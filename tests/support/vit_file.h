/* Learngene and model files made in memory, to be spoilt in one place: names, shapes, types and metadata are free. */
#ifndef TLEG_TESTS_VIT_FILE_H
#define TLEG_TESTS_VIT_FILE_H

#include "tensor/tensor.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vit_tensor {
    char name[96];
    const char *type;
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK];
};
enum { VIT_TENSORS = 160, VIT_KEYS = 20 };
struct vit_file {
    int32_t count, keys;
    struct vit_tensor tensors[VIT_TENSORS];
    char meta[VIT_KEYS][2][2048];
};

/* ---- editing ---- */
static inline struct vit_tensor *vit_find(struct vit_file *file, const char *name) {
    for (int32_t k = 0; k < file->count; k++)
        if (strcmp(file->tensors[k].name, name) == 0)
            return &file->tensors[k];
    return NULL;
}

/* A shape is written "3,4"; "" is a scalar. */
static inline void vit_reshape(struct vit_file *file, const char *name, const char *shape) {
    struct vit_tensor *tensor = vit_find(file, name);
    assert(tensor);
    tensor->rank = 0;
    for (char *at = (char *)(uintptr_t)shape; *at; at += *at == ',')
        tensor->shape[tensor->rank++] = strtol(at, &at, 10);
}

static inline void vit_add(struct vit_file *file, const char *name, const char *shape) {
    assert(file->count < VIT_TENSORS);
    struct vit_tensor *tensor = &file->tensors[file->count++];
    memset(tensor, 0, sizeof *tensor);
    tensor->type = "F32";
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    vit_reshape(file, name, shape);
}

static inline void vit_remove(struct vit_file *file, const char *name) {
    struct vit_tensor *tensor = vit_find(file, name);
    assert(tensor);
    memmove(tensor, tensor + 1, (size_t)(&file->tensors[--file->count] - tensor) * sizeof *tensor);
}

static inline void vit_rename(struct vit_file *file, const char *name, const char *other) {
    struct vit_tensor *tensor = vit_find(file, name);
    assert(tensor);
    snprintf(tensor->name, sizeof tensor->name, "%s", other);
}

/* Sets a metadata key; NULL takes it away. The value is JSON text without its quotes. */
static inline void vit_key(struct vit_file *file, const char *key, const char *value) {
    int32_t k = 0;
    while (k < file->keys && strcmp(file->meta[k][0], key) != 0)
        k++;
    if (!value) {
        if (k < file->keys)
            memmove(file->meta[k], file->meta[k + 1], (size_t)(--file->keys - k) * sizeof file->meta[0]);
        return;
    }
    assert(k < VIT_KEYS);
    file->keys += k == file->keys;
    snprintf(file->meta[k][0], sizeof file->meta[k][0], "%s", key);
    snprintf(file->meta[k][1], sizeof file->meta[k][1], "%s", value);
}

static inline void vit_type(struct vit_file *file, const char *type) {
    for (int32_t k = 0; k < file->count; k++)
        file->tensors[k].type = type;
}

/* ---- files that are right: 12 x 12 pixels, patches of 4, dim 12, hidden 20, 5 classes ---- */
static inline void vit_outer(struct vit_file *file) {
    memset(file, 0, sizeof *file);
    vit_add(file, "pos_embed", "1,9,12");
    vit_add(file, "patch_embed.proj.weight", "12,3,4,4");
    vit_add(file, "patch_embed.proj.bias", "12");
    vit_add(file, "norm.weight", "12");
    vit_add(file, "norm.bias", "12");
    vit_add(file, "head.weight", "5,12");
    vit_add(file, "head.bias", "5");
}

static const char *const vit_sites[6][3] = {/* name, shape of the weight, of the bias */
                                            {"norm1", "12", "12"},       {"norm2", "12", "12"},
                                            {"attn.qkv", "36,12", "36"}, {"attn.proj", "12,12", "12"},
                                            {"mlp.fc1", "20,12", "20"},  {"mlp.fc2", "12,20", "12"}};

/* The tensors of segment `segment` of a site: shared, base and ilayer, or a basis of more. */
static inline void vit_segment(struct vit_file *file, int site, int segment, int tensors) {
    for (int bias = 0; bias < 2; bias++)
        for (int k = 0; k < tensors; k++) {
            char name[96], end[24] = "";
            if (tensors == 2)
                strcpy(end, k ? "_ilayer" : "_base");
            else if (tensors > 2)
                snprintf(end, sizeof end, "_basis%d", k);
            snprintf(name, sizeof name, "blocks.block.%s.instances.%d.%s%s", vit_sites[site][0], segment,
                     bias ? "bias" : "weight", end);
            vit_add(file, name, vit_sites[site][1 + bias]);
        }
}

static inline void vit_gene(struct vit_file *file) {
    vit_outer(file);
    for (int site = 0; site < 6; site++)
        vit_segment(file, site, 0, 2);
    vit_key(file, "tleg.kind", "learngene");
    vit_key(file, "tleg.heads", "3");
}

/* timm's names and no metadata. */
static inline void vit_model(struct vit_file *file, int depth) {
    vit_outer(file);
    for (int layer = 0; layer < depth; layer++)
        for (int k = 0; k < 12; k++) {
            char name[96];
            snprintf(name, sizeof name, "blocks.%d.%s.%s", layer, vit_sites[k / 2][0], k % 2 ? "bias" : "weight");
            vit_add(file, name, vit_sites[k / 2][1 + k % 2]);
        }
}

/* ---- bytes ---- */
/* Element i of a tensor: a number that every type holds exactly and that depends on the name alone. */
static inline float vit_value(const char *name, size_t i) {
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return (float)((int32_t)((hash + 37 * (uint32_t)i) % 201) - 100) / 64;
}

static inline size_t vit_elements(const struct vit_tensor *tensor) {
    size_t count = 1;
    for (int32_t k = 0; k < tensor->rank; k++)
        count *= (size_t)tensor->shape[k];
    return count;
}

static inline size_t vit_width(const char *type) {
    return strcmp(type, "F64") == 0 || strcmp(type, "I64") == 0    ? 8
           : strcmp(type, "F32") == 0                              ? 4
           : strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0 ? 2
                                                                   : 1;
}

static inline void vit_element(const char *type, float value, unsigned char *out) {
    const double wide = value;
    const uint16_t half = strcmp(type, "F16") == 0 ? tleg_f16_from_f32(value) : tleg_bf16_from_f32(value);
    memset(out, 0, vit_width(type));
    if (strcmp(type, "F64") == 0)
        memcpy(out, &wide, 8);
    else if (strcmp(type, "F32") == 0)
        memcpy(out, &value, 4);
    else if (vit_width(type) == 2)
        memcpy(out, &half, 2);
}

/* The whole file, in memory of malloc. */
static inline unsigned char *vit_bytes(const struct vit_file *file, size_t *size) {
    char *head = malloc(200000);
    size_t at = 8, offset = 0;
    assert(head);
    at += (size_t)sprintf(head + at, "{\"__metadata__\":{");
    for (int32_t k = 0; k < file->keys; k++)
        at += (size_t)sprintf(head + at, "%s\"%s\":\"%s\"", k ? "," : "", file->meta[k][0], file->meta[k][1]);
    at += (size_t)sprintf(head + at, "}");
    for (int32_t k = 0; k < file->count; k++) {
        const struct vit_tensor *tensor = &file->tensors[k];
        const size_t bytes = vit_elements(tensor) * vit_width(tensor->type);
        at += (size_t)sprintf(head + at, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensor->name, tensor->type);
        for (int32_t axis = 0; axis < tensor->rank; axis++)
            at += (size_t)sprintf(head + at, "%s%lld", axis ? "," : "", (long long)tensor->shape[axis]);
        at += (size_t)sprintf(head + at, "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes);
        offset += bytes;
    }
    head[at++] = '}';
    const uint64_t length = at - 8;
    memcpy(head, &length, 8);
    unsigned char *all = realloc(head, at + offset), *out = all + at;
    assert(all);
    for (int32_t k = 0; k < file->count; k++) {
        const struct vit_tensor *tensor = &file->tensors[k];
        for (size_t i = 0; i < vit_elements(tensor); i++, out += vit_width(tensor->type))
            vit_element(tensor->type, vit_value(tensor->name, i), out);
    }
    *size = at + offset;
    return all;
}

/* ---- one fault, as a table writes it ---- */
struct vit_fault {
    char edit;           /* '-' remove a; '~' rename a to b; '#' give a the shape b; '=' set key a to b; '+' add a of shape b;
                            ':' give a the type b; 0 none */
    const char *a, *b;   /* b NULL with '=': take the key away */
    const char *says[3]; /* the error holds each of these */
    tleg_status status;  /* 0: FORMAT */
};
static inline void vit_apply(struct vit_file *file, char edit, const char *a, const char *b) {
    if (edit == '-')
        vit_remove(file, a);
    else if (edit == '~')
        vit_rename(file, a, b);
    else if (edit == '#')
        vit_reshape(file, a, b);
    else if (edit == '=')
        vit_key(file, a, b);
    else if (edit == '+')
        vit_add(file, a, b);
    else if (edit == ':')
        vit_find(file, a)->type = b;
}

#endif
