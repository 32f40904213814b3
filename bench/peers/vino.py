"""OpenVINO, CPU, one stream, f32 or bfloat16 products. Needs the packages openvino and onnx."""
from common import IMAGE, arguments, measure, say, skip

try:
    import numpy as np
    import openvino
    from vit_onnx import path_of
except ImportError as error:
    skip("openvino", error)

options = arguments(["f32", "bf16"])
core = openvino.Core()
if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
    options.dtype = [d for d in options.dtype if d != "bf16"]
for model in options.model if options.dtype else []:
    network = core.read_model(path_of(model, "plain", options.cache))
    for batch in options.batch:
        network.reshape({"x": [batch, 3, IMAGE, IMAGE]})
        images = np.random.default_rng(0).standard_normal((batch, 3, IMAGE, IMAGE), dtype=np.float32)
        for dtype in options.dtype:
            for threads in options.threads:
                compiled = core.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                                                               "INFERENCE_PRECISION_HINT": dtype})
                request = compiled.create_infer_request()
                request.set_input_tensor(openvino.Tensor(images))
                say("openvino", openvino.__version__.split("-")[0], model, dtype, batch, threads, measure(request.infer, options.seconds))
