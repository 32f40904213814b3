/* Files of a version to come: what this one does not understand is refused as UNSUPPORTED, in words that an application can
 * turn into "update me", and never computed as if it were not there. */
#include "support/config_reading.h"

#define BLOCK "blocks.block."
#define NEWER TLEG_ERROR_UNSUPPORTED

static const struct vit_fault gene_faults[] = {
    {'=', "tleg.needs", "[\\\"basis-k\\\"]", {"made by a newer libtleg: needs \"basis-k\""}, NEWER},
    {'=', "tleg.needs", "[\\\"cosine\\\", 3, \\\"b\\\"]", {"needs \"cosine\""}, NEWER},
    {'=', "tleg.kind", "mdit", {"tleg.kind", "\"mdit\"", "a newer libtleg"}, NEWER},
    {'=', "tleg.schedule", "{\\\"adaln\\\":[[6,true]]}", {"tleg.schedule", "norm1, norm2", "a newer libtleg"}, NEWER},
    {'=', "tleg.pool", "tokens", {"tleg.pool", "\"tokens\"", "a newer libtleg"}, NEWER},
    {'=', "tleg.norm", "sandwich", {"tleg.norm", "\"sandwich\"", "a newer libtleg"}, NEWER},
    {'+', BLOCK "attn.qkv.instances.0.weight_ilayer2", "36,12", {"weight_ilayer2", "a newer libtleg"}, NEWER},
    {'+', BLOCK "attn.qkv.instances.0.weight_base.scale", "36", {"weight_base.scale", "a newer libtleg"}, NEWER},
    {'+', BLOCK "adaln.instances.0.weight", "72,12", {"adaln", "a newer libtleg"}, NEWER},
    {'+', "blocks.common.scale", "1", {"blocks.common.scale", "a newer libtleg"}, NEWER},
    /* what is not a list of words is a mistake, not a version */
    {'=', "tleg.needs", "basis-k", {"tleg.needs", "JSON"}, TLEG_ERROR_FORMAT},
    {'=', "tleg.needs", "{\\\"basis-k\\\":1}", {"tleg.needs", "array"}, TLEG_ERROR_FORMAT},
    {'=', "tleg.needs", "[1]", {"tleg.needs", "words"}, TLEG_ERROR_FORMAT},
    {'=', "tleg.needs", "", {"tleg.needs"}, TLEG_ERROR_FORMAT},
};

static const struct vit_fault model_faults[] = {
    {'=', "tleg.needs", "[\\\"gelu-tanh\\\"]", {"made by a newer libtleg: needs \"gelu-tanh\""}, NEWER},
    {'=', "tleg.kind", "mdit", {"tleg.kind", "\"mdit\"", "a newer libtleg"}, NEWER},
    {'+', "blocks.0.attn.qkv.weight_scale", "36", {"weight_scale", "a newer libtleg"}, NEWER},
    {'+', "blocks.9.drop_path.p", "1", {"blocks.9.drop_path.p", "a newer libtleg"}, NEWER},
    {'+', "blocks.00.norm1.weight", "12", {"blocks.00.norm1.weight", "a newer libtleg"}, NEWER},
};

static void what_a_newer_version_adds_is_refused_by_name(void **state) {
    (void)state;
    struct vit_file gene, model;
    vit_gene(&gene);
    vit_model(&model, 2);
    vit_key(&model, "tleg.kind", "vit");
    for (size_t k = 0; k < sizeof gene_faults / sizeof *gene_faults; k++) {
        struct vit_file made = gene;
        vit_apply(&made, gene_faults[k].edit, gene_faults[k].a, gene_faults[k].b);
        must_refuse(&made, &gene_faults[k], 3, true);
    }
    for (size_t k = 0; k < sizeof model_faults / sizeof *model_faults; k++) {
        struct vit_file made = model;
        vit_apply(&made, model_faults[k].edit, model_faults[k].a, model_faults[k].b);
        must_refuse(&made, &model_faults[k], 3, false);
    }
}

/* A file that says what it needs may lack whatever this version looks for. */
static void what_a_file_needs_is_said_first(void **state) {
    (void)state;
    struct vit_file made;
    vit_gene(&made);
    made.count = 1;
    vit_key(&made, "tleg.kind", "mdit");
    vit_key(&made, "tleg.needs", "[\\\"dit\\\"]");
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"made by a newer libtleg: needs \"dit\""}, NEWER}, 0, true);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"made by a newer libtleg: needs \"dit\""}, NEWER}, 0, false);
    char words[400] = "[\\\"", *end = words + strlen(words);
    memset(end, 'w', 300);
    strcpy(end + 300, "\\\"]");
    vit_key(&made, "tleg.needs", words);
    must_refuse(&made, &(struct vit_fault){0, "", NULL, {"made by a newer libtleg: needs"}, NEWER}, 0, true);
}

/* Every way to open such a file refuses it. */
static void every_reader_refuses_what_it_does_not_know(void **state) {
    (void)state;
    struct vit_file made;
    size_t size;
    for (int model = 0; model < 2; model++) {
        if (model)
            vit_model(&made, 2);
        else
            vit_gene(&made);
        vit_key(&made, "tleg.needs", "[\\\"basis-k\\\"]");
        unsigned char *bytes = vit_bytes(&made, &size);
        tleg_learngene *gene = NULL;
        tleg_expander *expander = NULL;
        tleg_model *opened = NULL;
        if (model) {
            assert_int_equal(tleg_model_parse(context, bytes, size, NULL, &opened), NEWER);
        } else {
            assert_int_equal(tleg_learngene_parse(context, bytes, size, NULL, &gene), NEWER);
            assert_int_equal(tleg_expander_parse(context, bytes, size, NULL, NULL, &expander), NEWER);
        }
        assert_non_null(strstr(tleg_context_get_error(context), "made by a newer libtleg"));
        assert_true(!gene && !expander && !opened);
        free(bytes);
    }
}

/* A file that needs nothing, or that holds a model beside a learngene, opens as before. */
static void what_is_known_is_not_refused(void **state) {
    (void)state;
    struct vit_file made;
    struct tleg_vit_config config;
    vit_gene(&made);
    vit_key(&made, "tleg.needs", "[]");
    read_good(&made, 0, true, &config);
    tleg_config_free(&config);
    for (int gene = 0; gene < 2; gene++) {
        vit_gene(&made);
        vit_add(&made, "blocks.0.norm1.weight", "12");
        if (!gene) {
            vit_model(&made, 1);
            vit_add(&made, BLOCK "norm1.instances.0.weight_base", "12");
        }
        vit_key(&made, "tleg.kind", gene ? "learngene" : "vit");
        read_good(&made, 3, gene, &config);
        assert_int_equal(config.c.ignored_count, 1);
        tleg_config_free(&config);
    }
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_newer_version_adds_is_refused_by_name),
        cmocka_unit_test(what_a_file_needs_is_said_first),
        cmocka_unit_test(every_reader_refuses_what_it_does_not_know),
        cmocka_unit_test(what_is_known_is_not_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
