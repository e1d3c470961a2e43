#!/bin/bash
# GRPO with OpenRLHF: estimator group_norm, k3 in the loss.
ray job submit --address="http://127.0.0.1:8265" \
   --runtime-env-json='{"working_dir": "/openrlhf"}' \
   -- python3 -m openrlhf.cli.train_ppo_ray \
   --actor.model_name_or_path Qwen/Qwen2.5-0.5B-Instruct \
   --reward.remote_url reward.py \
   --algo.advantage.estimator group_norm \
   --algo.kl.use_loss \
   --algo.kl.estimator k3 \
   --algo.kl.init_coef 1e-3 \
   --actor.eps_clip_low_high 0.2 0.28 \
   --rollout.batch_size 128 \
   --rollout.n_samples_per_prompt 8 \
   --train.batch_size 1024 \
   --actor.adam.lr 5e-7
