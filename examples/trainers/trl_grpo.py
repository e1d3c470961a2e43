"""Dr. GRPO with TRL, as a script: `dstheory explain` reads the call of GRPOConfig and runs nothing."""

from trl import GRPOConfig, GRPOTrainer  # type: ignore[import-not-found]

arguments = GRPOConfig(
    output_dir="results/dr_grpo",
    num_generations=8,
    loss_type="dr_grpo",
    scale_rewards=False,
    beta=0.0,
)
GRPOTrainer(model="Qwen/Qwen2.5-0.5B-Instruct", args=arguments).train()
