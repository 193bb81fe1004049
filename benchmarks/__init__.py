"""Side by side with hand-written torch and with Keras on torch: ``python -m benchmarks`` prints ratios from one run.

``measures`` says what is measured and what is wanted, ``workloads`` holds each model in both forms, ``runs`` turns them
into timed functions inside a ``worker`` process, ``report`` prints. The parent process never imports torch or Keras.
"""
