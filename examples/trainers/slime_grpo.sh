#!/bin/bash
# GRPO with slime: arguments in arrays, as its scripts have them.
CKPT_ARGS=(
   --ref-load models/start_torch_dist
)
ROLLOUT_ARGS=(
   --prompt-data problems.jsonl
   --rollout-batch-size 32
   --n-samples-per-prompt 8
   --rollout-temperature 1
   --global-batch-size 256
)
GRPO_ARGS=(
   --advantage-estimator grpo
   --use-kl-loss
   --kl-loss-coef 0.001
   --kl-loss-type low_var_kl
   --eps-clip 0.2
   --eps-clip-high 0.28
)
ray job submit --address="http://127.0.0.1:8265" -- python3 train.py "${CKPT_ARGS[@]}" "${ROLLOUT_ARGS[@]}" "${GRPO_ARGS[@]}"
