"""ONNX Runtime, CPU. "onnxruntime": the graph as exporters write it; "onnxruntime-fused": with its own attention operator and Gemm. It has no
bfloat16 products on x86. Needs the packages onnxruntime and onnx."""
import time

from common import IMAGE, arguments, measure, say, skip

try:
    import numpy as np
    import onnxruntime
    from vit_onnx import path_of
except ImportError as error:
    skip("onnxruntime", error)


def session_of(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def start_once(path, threads, images):
    """Milliseconds from the file to the first logits: to a session, and in all."""
    start = time.perf_counter()
    session = session_of(path, threads)
    opened = time.perf_counter()
    session.run(None, {"x": images})
    end = time.perf_counter()
    return {"ms": round(1e3 * (end - start), 3), "ms_open": round(1e3 * (opened - start), 3)}


options = arguments(["f32"])
for model in options.model if options.dtype else []:
    for form in ("plain", "fused"):
        peer = "onnxruntime" if form == "plain" else "onnxruntime-fused"
        path = path_of(model, form, options.cache)
        for threads in options.threads:
            session = None if options.start else session_of(path, threads)
            for batch in options.batch:
                images = np.random.default_rng(0).standard_normal((batch, 3, IMAGE, IMAGE), dtype=np.float32)
                if options.start:
                    figures = start_once(path, threads, images)
                else:
                    figures = measure(lambda: session.run(None, {"x": images}), options.seconds)
                say(peer, onnxruntime.__version__, model, "f32", batch, threads, figures)
