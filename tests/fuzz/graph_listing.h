/* An ONNX file from a list of its parts, a line each, so that a fuzzer that changes one need not change the lengths of all that
 * hold it:
 *     @ NAME 2,3,8,8             an input, 0 where its size is open
 *     ! NAME                     an output
 *     % KEY VALUE                metadata
 *     # NAME 1 4,3 0.5,2         a tensor: TensorProto.DataType, shape ("." for a number alone), its first numbers ("." for
 * none) TYPE OUT,OUT IN,IN K=1 L=1,2 F=0.5f T="tanh" V=#NAME          a node; "." is no name at all; TYPE may be DOMAIN.TYPE
 */
#ifndef TLEG_TESTS_FUZZ_GRAPH_LISTING_H
#define TLEG_TESTS_FUZZ_GRAPH_LISTING_H

#include <stddef.h>
#include <stdint.h>

/* Whether the input is such a list: it begins with '@'. */
static inline int fuzz_is_graph(const uint8_t *data, size_t size) {
    return size > 0 && data[0] == '@';
}
/* The file, in memory that the caller frees. */
uint8_t *fuzz_graph(const uint8_t *data, size_t size, size_t *bytes);

#endif
