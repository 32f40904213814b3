/* DeiT's shapes, and refusals of shapes in the words of the options. */
#include "arch.h"

#include <string.h>

enum { TINY = 1, SMALL, BASE };
const struct choice arch_choices[] = {{"tiny", TINY}, {"small", SMALL}, {"base", BASE}, {NULL, 0}};

/* DeiT's shapes: tiny 192 wide with 3 heads, small 384 with 6, base 768 with 12. */
int arch_settle(const struct invocation *call, int32_t arch, tleg_config *config) {
    static const int32_t heads_of[] = {0, 3, 6, 12};
    int32_t heads = heads_of[arch];
    config->heads = call->heads;
    config->mlp = call->activation ? call->activation : config->mlp;
    config->eps = call->eps > 0 ? call->eps : config->eps;
    if (!arch)
        return config->dim && call->heads ? EXIT_DONE : tool_misuse(call, "needs --arch, or --dim and --heads");
    if (config->dim || (call->heads && call->heads != heads))
        return tool_misuse(call, "--arch %s means dim %d and %d heads: leave out --dim and --heads",
                           option_choice_name(arch_choices, arch), 64 * heads, heads);
    config->dim = 64 * heads;
    config->heads = heads;
    return EXIT_DONE;
}

int arch_fail(const struct invocation *call, const tleg_context *context) {
    static const char *const options[][2] = {{"image_size", "--image"},  {"patch_size", "--patch"}, {"image_width", "--image"},
                                             {"patch_width", "--patch"}, {"dim", "--dim"},          {"hidden", "--hidden"},
                                             {"heads", "--heads"},       {"classes", "--classes"}};
    static const char prefix[] = "tleg_config.";
    const char *text = tleg_context_get_error(context);
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return tool_fail_context(call, context);
    const char *member = text + sizeof prefix - 1;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t length = strlen(options[i][0]);
        if (strncmp(member, options[i][0], length) == 0 && member[length] == ':')
            return tool_fail(call, "%s%s", options[i][1], member + length);
    }
    return tool_fail(call, "%s", member);
}
