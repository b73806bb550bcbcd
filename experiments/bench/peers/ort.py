"""ort.py FILE.onnx REPS THREADS: the seconds of a forward pass by onnxruntime; ort.py version prints its version."""
import json
import sys
import time

import numpy
import onnxruntime

if sys.argv[1] == "version":
    print(onnxruntime.__version__)
    sys.exit()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = int(sys.argv[3]), 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
rng = numpy.random.default_rng(0)
values = {i.name: (rng.integers(0, 256, i.shape) if i.name == "x" else rng.random(i.shape)).astype("float32")
          for i in session.get_inputs()}
session.run(None, values)
seconds = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    session.run(None, values)
    seconds.append(time.perf_counter() - start)
seconds.sort()
print(json.dumps({"name": "onnxruntime", "seconds_min": seconds[0], "seconds_median": seconds[len(seconds) // 2]}))
