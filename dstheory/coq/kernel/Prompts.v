(* Any number of prompts, each with its own number of answers: weighted sums over prompts. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy Energy Imitation.
Open Scope R_scope.

(* Parameters that prompts share: the gradient of the mean over prompts is the mean of the gradients. *)
Theorem shared_gradient X rho (f : R -> nat -> R) f' t :
  (forall x, (x < X)%nat -> is_derive (fun u => f u x) t (f' x)) ->
  is_derive (fun u => Sum X (fun x => rho x * f u x)) t (Sum X (fun x => rho x * f' x)).
Proof. intro H. apply (Sum_derive X (fun u x => rho x * f u x)). intros x Hx. apply is_derive_scal, H, Hx. Qed.

(* Parameters of one prompt: the gradient is that prompt's alone, times its weight. *)
Theorem own_gradient X rho (c : nat -> R) (f : R -> R) f' t x : (x < X)%nat -> is_derive f t f' ->
  is_derive (fun u => Sum X (fun k => rho k * (if Nat.eq_dec k x then f u else c k))) t (rho x * f').
Proof.
intros Hx D. evar_last.
- apply (Sum_derive X (fun u k => rho k * (if Nat.eq_dec k x then f u else c k)) (fun k => (rho k * f') * delta k x)).
  intros k Hk. unfold delta. destruct (Nat.eq_dec k x).
  + replace (rho k * f' * 1) with (rho k * f') by ring. apply is_derive_scal, D.
  + replace (rho k * f' * 0) with (rho k * 0) by ring. apply is_derive_scal, @is_derive_const.
- apply (Sum_delta X (fun k => rho k * f')), Hx.
Qed.

(* A prompt of weight rho has rho times the energy: gradient and Fisher information both carry the weight. *)
Theorem prompt_energy n pi A rho w c x : (forall j, (j < n)%nat -> 0 < pi j) -> Sum n pi = 1 -> rho <> 0 -> w <> 0 ->
  Sum n (fun j => pi j * A j) = 0 ->
  (forall j, (j < n)%nat -> rho * w * (pi j * (x j - Sum n (fun i => pi i * x i))) = rho * c * (pi j * A j)) ->
  Sum n (fun j => rho * c * (pi j * A j) * x j) = rho * (c ^ 2 / w * Sum n (fun j => pi j * A j ^ 2)).
Proof.
intros P H R W Z F. rewrite (energy_softmax n pi A (rho * w) (rho * c) x P H); [field; split; assumption | | exact Z | exact F].
apply Rmult_integral_contrapositive_currified; assumption.
Qed.

(* A3 over prompts: if a + b > 1 on every prompt, of any numbers of answers, the mean accuracy exceeds that of first answers. *)
Theorem reflection_prompts X rho (n : nat -> nat) (pi s : nat -> nat -> R) (right : nat -> nat -> bool) :
  Sum X rho = 1 -> (forall x, (x < X)%nat -> 0 < rho x) ->
  (forall x, (x < X)%nat -> open_chain (n x) (pi x) (s x) (right x)) ->
  (forall x, (x < X)%nat -> rate_a (n x) (pi x) (s x) (right x) + rate_b (n x) (pi x) (s x) (right x) > 1) ->
  Sum X (fun x => rho x * P_right (n x) (pi x) (right x)) < Sum X (fun x => rho x * accuracy (n x) (pi x) (s x) (right x)).
Proof.
intros H P O G.
assert (L : forall x, (x < X)%nat -> rho x * P_right (n x) (pi x) (right x) < rho x * accuracy (n x) (pi x) (s x) (right x)).
{ intros x Hx. apply Rmult_lt_compat_l; [apply P, Hx|].
  destruct (reflection_sign (n x) (pi x) (s x) (right x) (O x Hx)) as [[_ S] _]. apply S, G, Hx. }
destruct X as [|X]; [simpl in H; lra|]. apply (Sum_lt_one (S X) _ _ X); [lia | apply L; lia | intros i Hi; apply Rlt_le, L, Hi].
Qed.

(* C5 over prompts of any weights and numbers of answers: the tables are stationary exactly at the demonstrator. *)
Theorem sft_prompts X rho (n : nat -> nat) (piE z : nat -> nat -> R) (turns_E w : nat -> R) :
  (forall x, (x < X)%nat -> 0 < rho x /\ (0 < n x)%nat /\ 0 < turns_E x /\ 0 < w x /\ Sum (n x) (piE x) = 1) ->
  ((forall x j, (x < X)%nat -> (j < n x)%nat ->
      rho x * (turns_E x * (w x * piE x j - softmax (n x) (z x) j * Sum (n x) (fun y => w x * piE x y))) = 0)
   <-> forall x j, (x < X)%nat -> (j < n x)%nat -> softmax (n x) (z x) j = piE x j).
Proof.
intro H. split.
- intros G x j Hx. destruct (H x Hx) as [A [B [C [D E]]]]. revert j. apply (sft_expert (n x) (piE x) (z x) (w x) B D E).
  intros j Hj. pose proof (G x j Hx Hj) as F. apply Rmult_integral in F. destruct F as [F|F]; [lra|].
  apply Rmult_integral in F. destruct F as [F|F]; [lra | exact F].
- intros G x j Hx Hj. destruct (H x Hx) as [A [B [C [D E]]]]. rewrite Sum_scal, E, (G x j Hx Hj). ring.
Qed.
