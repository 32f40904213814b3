/* The graph of an ONNX file, read as a Vision Transformer. */
#ifndef TLEG_LIB_GRAPH_H
#define TLEG_LIB_GRAPH_H

#include "format/format.h"

/* The same file under the library's names, with keys that say what the graph does with its weights. Its nodes are walked from
 * the images on: whichever names they have, they must compute a Vision Transformer that the library computes as well.
 * UNSUPPORTED names the first node that does not, and what was expected; FORMAT a node that contradicts itself or the file's
 * own keys; ARGUMENT a file without a graph. */
tleg_status tleg_graph_read(tleg_context *context, const tleg_file *file, tleg_file **named);

#endif
