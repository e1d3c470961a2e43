#!/bin/bash
# GRPO with open-instruct; the flags that are not here have its defaults.
python open_instruct/grpo_fast.py \
    --model_name_or_path Qwen/Qwen2.5-0.5B-Instruct \
    --dataset_mixer_list ai2-adapt-dev/rlvr_gsm8k_zs 1.0 \
    --num_unique_prompts_rollout 32 \
    --num_samples_per_prompt_rollout 8 \
    --advantage_normalization_type standard \
    --beta 0.01 \
    --kl_estimator 2
