(* Coefficients of tokens: what multiplies the derivative of a token's log-probability when a surrogate is differentiated as training code
   does it, for batches of any number of responses, each of any number of tokens.
   A table holds a number for token t of response i. A surrogate J held lp has two tables of log-probabilities: the first stands under a
   stop-gradient, the second is differentiated. All surrogates are written for ascent. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia FunctionalExtensionality.
From Kernel Require Import Sums.
Open Scope R_scope.

Definition table := nat -> nat -> R.

Lemma Sum_split m k f : Sum (m + k) f = Sum m f + Sum k (fun i => f (m + i)%nat).
Proof. induction k as [|k I]; [rewrite Nat.add_0_r; simpl; ring|]. rewrite Nat.add_succ_r. simpl. rewrite I. ring. Qed.

Section Batch.
Variables (N : nat) (L : nat -> nat).
Definition tokens (f : table) := Sum N (fun i => Sum (L i) (f i)).
Definition inside i t := (i < N)%nat /\ (t < L i)%nat.

(* Log-probabilities on any differentiable curve u, whose derivatives are u': whatever the parameters are. *)
Definition moves (u : R -> table) (u' : table) x := forall i t, inside i t -> is_derive (fun y => u y i t) x (u' i t).
(* The surrogate's derivative is the sum over tokens of c times that of the log-probability; c depends on the log-probabilities. *)
Definition coefficients (J : table -> table -> R) (c : table -> table) :=
  forall u u' x, moves u u' x -> is_derive (fun y => J (u x) (u y)) x (tokens (fun i t => c (u x) i t * u' i t)).

Lemma tokens_ext f g : (forall i t, inside i t -> f i t = g i t) -> tokens f = tokens g.
Proof. intro H. apply Sum_ext; intros i Hi. apply Sum_ext; intros t Ht. apply H. split; assumption. Qed.

Lemma tokens_derive (f : R -> table) f' x : (forall i t, inside i t -> is_derive (fun y => f y i t) x (f' i t)) ->
  is_derive (fun y => tokens (f y)) x (tokens f').
Proof.
intro H. apply (Sum_derive N (fun y i => Sum (L i) (f y i))). intros i Hi. apply (Sum_derive (L i) (fun y => f y i)).
intros t Ht. apply H. split; assumption.
Qed.

(* There is one such c at most. *)
Theorem coefficients_unique J c d : coefficients J c -> coefficients J d -> forall lp i t, inside i t -> c lp i t = d lp i t.
Proof.
intros C D lp i t I. set (e := fun j s => delta j i * delta s t). set (u := fun y j s => lp j s + y * e j s).
assert (Z : u 0 = lp) by (unfold u; extensionality j; extensionality s; ring).
assert (M : moves u e 0) by (intros j s _; unfold u; auto_derive; [exact Logic.I | ring]).
assert (P : forall c, tokens (fun j s => c j s * e j s) = c i t).
{ intro b. unfold tokens, e. rewrite <- (Sum_delta N (fun j => b j t) i) by apply I. apply Sum_ext; intros j _.
  unfold delta at 1. destruct (Nat.eq_dec j i) as [->|X].
  - rewrite delta_same, Rmult_1_r. rewrite <- (Sum_delta (L i) (b i) t) by apply I. apply Sum_ext; intros; ring.
  - rewrite delta_other, Rmult_0_r by exact X. apply Sum_zero; intros; ring. }
pose proof (C u e 0 M) as U. pose proof (D u e 0 M) as V. rewrite Z, P in U. rewrite Z, P in V.
rewrite <- (is_derive_unique _ _ _ U), <- (is_derive_unique _ _ _ V). reflexivity.
Qed.

(* A term for every token, with a derivative in the log-probability of that token alone. *)
Lemma termwise (phi : table -> nat -> nat -> R -> R) c :
  (forall lp i t, inside i t -> is_derive (phi lp i t) (lp i t) (c lp i t)) ->
  coefficients (fun held lp => tokens (fun i t => phi held i t (lp i t))) c.
Proof.
intros H u u' x M. apply tokens_derive. intros i t I. evar_last.
- apply (is_derive_comp (phi (u x) i t) (fun y => u y i t)); [apply H, I | apply M, I].
- unfold scal; simpl; unfold mult; simpl. ring.
Qed.

(* A credit B under the stop-gradient times the log-probability: REINFORCE and RLOO, SFT, filtered SFT, k1 in the reward, DFT, ... *)
Definition by_log (B : table -> table) held lp := tokens (fun i t => B held i t * lp i t).
Lemma by_log_coefficients B : coefficients (by_log B) B.
Proof. apply (termwise (fun held i t x => B held i t * x)). intros lp i t _. auto_derive; [exact Logic.I | ring]. Qed.

(* A credit A of the whole response and ratios rho = pi/pi_old: of each token in the loss (GRPO), of each token as a weight (CISPO without
   truncation), of the response to the power 1/L (GSPO). No clipping. *)
Variables (A : table -> nat -> R) (old : table).
Definition rho (lp : table) i t := exp (lp i t - old i t).
Definition of_response (lp : table) i := exp (Sum (L i) (fun t => lp i t - old i t) / INR (L i)).
Definition by_ratio held lp := tokens (fun i t => A held i * rho lp i t).
Definition by_weight held lp := tokens (fun i t => A held i * rho held i t * lp i t).
Definition by_sequence held lp := Sum N (fun i => INR (L i) * A held i * of_response lp i).

Lemma ratio_coefficients : coefficients by_ratio (fun lp i t => A lp i * rho lp i t).
Proof.
apply (termwise (fun held i t x => A held i * exp (x - old i t))). intros lp i t _. unfold rho. auto_derive; [exact Logic.I | unfold Rminus; ring].
Qed.
Lemma sequence_coefficients : coefficients by_sequence (fun lp i t => A lp i * of_response lp i).
Proof.
intros u u' x M. unfold by_sequence, tokens. apply (Sum_derive N (fun y i => INR (L i) * A (u x) i * of_response (u y) i)).
intros i Hi. destruct (Nat.eq_dec (L i) 0) as [E|E].
- rewrite E, (Sum_zero 0) by (intros; lia). apply is_derive_ext with (fun _ => 0); [|apply @is_derive_const].
  intro y. change (0 = INR 0 * A (u x) i * of_response (u y) i). simpl. ring.
- assert (P : INR (L i) <> 0) by (apply not_0_INR, E). evar_last.
  + apply is_derive_scal. unfold of_response. apply (is_derive_comp exp (fun y => Sum (L i) (fun t => u y i t - old i t) / INR (L i))).
    * apply is_derive_Reals, derivable_pt_lim_exp.
    * apply is_derive_ext with (fun y => / INR (L i) * Sum (L i) (fun t => u y i t - old i t)); [intro y; apply Rmult_comm|].
      apply is_derive_scal. apply (Sum_derive (L i) (fun y t => u y i t - old i t) (u' i)). intros t Ht. evar_last.
      -- apply (is_derive_minus (fun y => u y i t) (fun _ => old i t)); [apply M; split; assumption | apply @is_derive_const].
      -- unfold minus, plus, opp, zero; simpl. ring.
  + rewrite (Sum_scal (L i) (A (u x) i * of_response (u x) i) (u' i)). unfold of_response, scal; simpl; unfold mult; simpl. field. exact P.
Qed.

(* O1, any batch: the coefficients are the credit of the response times the token's ratio, the token's ratio, and that of the response;
   where policy and sampling policy agree, all are the credit. The credit may be anything that is not differentiated: a reward less any
   baseline over any deviation and any normaliser, what a filter leaves, minus beta times the response's log-ratio. *)
Theorem one_coefficient :
  coefficients (by_log (fun held i _ => A held i)) (fun lp i _ => A lp i)
  /\ coefficients by_ratio (fun lp i t => A lp i * rho lp i t)
  /\ coefficients by_weight (fun lp i t => A lp i * rho lp i t)
  /\ coefficients by_sequence (fun lp i t => A lp i * of_response lp i)
  /\ forall lp i, (forall t, (t < L i)%nat -> lp i t = old i t) ->
       (forall t, (t < L i)%nat -> A lp i * rho lp i t = A lp i) /\ A lp i * of_response lp i = A lp i.
Proof.
split; [apply (by_log_coefficients (fun held i _ => A held i))|]. split; [exact ratio_coefficients|].
split; [apply (by_log_coefficients (fun held i t => A held i * rho held i t))|]. split; [exact sequence_coefficients|].
intros lp i H. split.
- intros t Ht. unfold rho. rewrite H, Rminus_eq_0, exp_0 by exact Ht. ring.
- unfold of_response. rewrite Sum_zero by (intros t Ht; rewrite H by exact Ht; ring). unfold Rdiv. rewrite Rmult_0_l, exp_0. ring.
Qed.

(* O1: with one coefficient for all its tokens an answer is one action: its log-probability, the sum over its tokens, and the decision's
   enter with the same coefficient. answer i t says which tokens are those of answers. *)
Definition of_stage (answer : nat -> nat -> bool) stage (f : table) i := Sum (L i) (fun t => if Bool.eqb (answer i t) stage then f i t else 0).
Theorem answer_is_one_action J c answer : coefficients J (fun lp i _ => c lp i) -> forall u u' x, moves u u' x ->
  is_derive (fun y => J (u x) (u y)) x (Sum N (fun i => c (u x) i * of_stage answer true u' i + c (u x) i * of_stage answer false u' i))
  /\ forall stage i, (i < N)%nat -> is_derive (fun y => of_stage answer stage (u y) i) x (of_stage answer stage u' i).
Proof.
intros C u u' x M. split.
- evar_last; [apply C, M|]. unfold tokens. apply Sum_ext; intros i _. unfold of_stage. rewrite <- Rmult_plus_distr_l, <- Sum_plus, <- Sum_scal.
  apply Sum_ext; intros t _. destruct (answer i t); simpl; ring.
- intros stage i Hi. apply (Sum_derive (L i) (fun y t => if Bool.eqb (answer i t) stage then u y i t else 0)). intros t Ht.
  destruct (Bool.eqb (answer i t) stage); [apply M; split; assumption | apply @is_derive_const].
Qed.

(* O1-ratio, any response: off the policy the coefficients of two tokens stand as their ratios, under a ratio of the response they are
   equal; on the policy the two rules are one. *)
Theorem ratios_split i t v lp :
  A lp i * rho lp i t * rho lp i v = A lp i * rho lp i v * rho lp i t
  /\ (A lp i <> 0 -> A lp i * rho lp i t / (A lp i * rho lp i v) = rho lp i t / rho lp i v)
  /\ coefficients by_ratio (fun lp i t => A lp i * rho lp i t)
  /\ coefficients by_sequence (fun lp i _ => A lp i * of_response lp i)
  /\ ((t < L i)%nat -> (forall w, (w < L i)%nat -> lp i w = old i w) -> A lp i * rho lp i t = A lp i * of_response lp i).
Proof.
split; [ring|]. split; [|split; [exact ratio_coefficients | split; [exact sequence_coefficients|]]].
- intro H. unfold rho. pose proof (exp_pos (lp i v - old i v)). field. lra.
- intros T H. destruct (proj2 (proj2 (proj2 (proj2 one_coefficient))) lp i H) as [U ->]. apply U, T.
Qed.
End Batch.

(* The rules of O1. Of response i: r its reward, m the mean of its group, o that of the others of its group, sd the group's deviation
   (ddof and epsilon as one likes); b is any baseline. *)
Section Rules.
Variables (N : nat) (L : nat -> nat) (old ref : table) (r m o sd : nat -> R) (b longest beta : R).
Inductive rule := reinforce | with_baseline | rloo | k1_in_the_reward | sft_sum | sft_token_mean | sft_sequence_mean | filtered_sft
  | grpo | grpo_without_std | constant_length | token_mean | cispo | gspo.
Definition all_tokens := Sum N (fun i => INR (L i)).
Definition log_ratio (lp : table) i := Sum (L i) (fun t => lp i t - ref i t).
Definition credit k (held : table) i := match k with
  | reinforce => r i / INR N | with_baseline => (r i - b) / INR N | rloo => (r i - o i) / INR N
  | k1_in_the_reward => - beta * log_ratio held i / INR N
  | sft_sum => 1 / INR N | sft_token_mean => 1 / all_tokens | sft_sequence_mean => 1 / (INR N * INR (L i)) | filtered_sft => r i / all_tokens
  | grpo | gspo => (r i - m i) / sd i / (INR N * INR (L i)) | grpo_without_std => (r i - m i) / (INR N * INR (L i))
  | constant_length => (r i - m i) / (INR N * longest) | token_mean | cispo => (r i - m i) / sd i / all_tokens end.
Definition surrogate k := match k with
  | grpo | grpo_without_std | constant_length | token_mean => by_ratio N L (credit k) old
  | cispo => by_weight N L (credit k) old | gspo => by_sequence N L (credit k) old
  | _ => by_log N L (fun held i _ => credit k held i) end.

(* O1, rule by rule: one coefficient for all tokens of a response where policy and sampling policy agree, and for GSPO at any ratio. *)
Theorem outcome_rules k : exists c, coefficients N L (surrogate k) c
  /\ (forall lp i t, (t < L i)%nat -> (forall v, (v < L i)%nat -> lp i v = old i v) -> c lp i t = credit k lp i)
  /\ (k = gspo -> forall lp i t v, c lp i t = c lp i v).
Proof.
destruct (one_coefficient N L (credit k) old) as [Log [Ratio [Weight [Sequence On]]]].
assert (P : forall lp i t, (t < L i)%nat -> (forall v, (v < L i)%nat -> lp i v = old i v) -> credit k lp i * rho old lp i t = credit k lp i)
  by (intros lp i t T H; apply On; assumption).
destruct k; (eexists; split; [first [exact Log | exact Ratio | exact Weight | exact Sequence]|]); (split; [|intro E; try discriminate E]);
  try exact P; try reflexivity.
intros lp i t T H. apply On, H.
Qed.

(* O1-sft: under each of its reductions SFT gives the log-probability of the answer, the sum over its tokens, the decision's coefficient;
   the ratio (l_s/l_d)^lambda of C1, whose model counts an answer's log-probability l_s^lambda times, is 1 for longer answers at
   lambda = 0 alone. *)
Theorem sft_balanced answer u u' x l_s l_d lambda : moves N L u u' x -> 0 < l_d < l_s ->
  (forall k, k = sft_sum \/ k = sft_token_mean \/ k = sft_sequence_mean ->
    is_derive (fun y => surrogate k (u x) (u y)) x
      (Sum N (fun i => credit k (u x) i * of_stage L answer true u' i + credit k (u x) i * of_stage L answer false u' i)))
  /\ (Rpower (l_s / l_d) lambda = 1 <-> lambda = 0).
Proof.
intros M P. split.
- intros k K. apply answer_is_one_action; [|exact M]. destruct (one_coefficient N L (credit k) old) as [Log _].
  destruct K as [-> | [-> | ->]]; exact Log.
- assert (Q : 0 < ln (l_s / l_d)).
  { rewrite <- ln_1. apply ln_increasing; [lra|]. apply Rmult_lt_reg_r with l_d; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  unfold Rpower. split; [|intros ->; rewrite Rmult_0_l; apply exp_0].
  intro E. rewrite <- exp_0 in E. apply exp_inv in E. apply Rmult_integral in E. lra.
Qed.
End Rules.

(* O1-tokens: rules whose coefficients look at single tokens. *)
Section Tokens.
Variables (N : nat) (L : nat -> nat) (A : nat -> R) (old ref H adv : table) (beta alpha : R).
Inductive token_rule := grpo_tokens | cispo_tokens | critic | dft | entropy_bonus | k2_loss | k3_loss | distillation | full_kl.
Definition ell (lp : table) i t := lp i t - ref i t.
(* ref is the reference, or the teacher; H the entropy of the distribution a token is drawn from, adv its advantage. *)
Definition token_credit k (lp : table) i t := match k with
  | grpo_tokens | cispo_tokens => A i * rho old lp i t
  | critic => A i * adv i t
  | dft => A i * exp (lp i t)
  | entropy_bonus => - alpha * A i * (lp i t + H i t)
  | k2_loss => - beta * A i * ell lp i t
  | k3_loss => - beta * A i * (1 - exp (- ell lp i t))
  | distillation => - A i * ell lp i t
  | full_kl => - beta * A i * Sum (L i - t) (fun v => ell lp i (t + v)) end.
Definition token_surrogate k : table -> table -> R := match k with
  | grpo_tokens => by_ratio N L (fun _ => A) old
  | cispo_tokens => by_weight N L (fun _ => A) old
  | k2_loss => fun _ lp => tokens N L (fun i t => - beta * A i * (ell lp i t ^ 2 / 2))
  | k3_loss => fun _ lp => tokens N L (fun i t => - beta * A i * (exp (- ell lp i t) - 1 + ell lp i t))
  | _ => by_log N L (token_credit k) end.

Theorem coefficients_of_tokens k : coefficients N L (token_surrogate k) (token_credit k).
Proof.
destruct (one_coefficient N L (fun _ => A) old) as [_ [R [W _]]]. destruct k; try exact R; try exact W; try apply by_log_coefficients.
- apply (termwise N L (fun _ i t x => - beta * A i * ((x - ref i t) ^ 2 / 2))). intros lp i t _. unfold token_credit, ell. auto_derive; [exact Logic.I | field].
- apply (termwise N L (fun _ i t x => - beta * A i * (exp (- (x - ref i t)) - 1 + (x - ref i t)))).
  intros lp i t _. unfold token_credit, ell, Rminus. auto_derive; [exact Logic.I | ring].
Qed.

(* What two tokens t < v of a response agree in, under each rule. *)
Definition alike k (lp : table) i t v := match k with
  | grpo_tokens | cispo_tokens => rho old lp i t = rho old lp i v
  | critic => adv i t = adv i v
  | dft => exp (lp i t) = exp (lp i v)
  | entropy_bonus => lp i t + H i t = lp i v + H i v
  | k2_loss | k3_loss | distillation => ell lp i t = ell lp i v
  | full_kl => Sum (v - t) (fun w => ell lp i (t + w)) = 0 end.

Lemma cancel a x y : a <> 0 -> (a * x = a * y <-> x = y).
Proof. intro Z. split; [intro E; apply (Rmult_eq_reg_l a); assumption | intros ->; reflexivity]. Qed.

(* They have one coefficient exactly if they agree in that; under the entropy bonus, tokens of one distribution if they are equally likely. *)
Theorem tokens_differ k c lp i t v : coefficients N L (token_surrogate k) c -> inside N L i v -> (t < v)%nat -> A i <> 0 -> beta <> 0 -> alpha <> 0 ->
  (c lp i t = c lp i v <-> alike k lp i t v) /\ (H i t = H i v -> (alike entropy_bonus lp i t v <-> exp (lp i t) = exp (lp i v))).
Proof.
intros C [Hi Hv] T Z B D. assert (ZB : - beta * A i <> 0) by (apply Rmult_integral_contrapositive_currified; lra).
assert (ZA : - alpha * A i <> 0) by (apply Rmult_integral_contrapositive_currified; lra).
pose proof (coefficients_unique N L _ _ _ C (coefficients_of_tokens k) lp i) as U.
rewrite (U t) by (split; [exact Hi | lia]). rewrite (U v) by (split; [exact Hi | exact Hv]). split.
- destruct k; unfold token_credit, alike; try (apply cancel; assumption).
  + rewrite cancel by exact ZB. split; [|intros ->; reflexivity]. intro E.
    assert (F : exp (- ell lp i t) = exp (- ell lp i v)) by lra. apply exp_inv in F. lra.
  + apply cancel. lra.
  + rewrite cancel by exact ZB. replace (L i - t)%nat with ((v - t) + (L i - v))%nat by lia. rewrite Sum_split.
    rewrite (Sum_ext (L i - v) (fun w => ell lp i (t + ((v - t) + w))) (fun w => ell lp i (v + w))) by (intros; f_equal; lia). lra.
- intro E. unfold alike. rewrite E. split; [intro F; f_equal; lra | intro F; apply exp_inv in F; lra].
Qed.
End Tokens.

(* O2, a pair of responses of any lengths, 0 the preferred one: ln sigma(beta Delta), Delta the difference of their log-ratios. *)
Section Pair.
Variables (L : nat -> nat) (ref : table) (beta : R).
Definition sigma x := / (1 + exp (- x)).
Definition Delta (lp : table) := log_ratio L ref lp 0 - log_ratio L ref lp 1.
Definition dpo (_ lp : table) := ln (sigma (beta * Delta lp)).
Definition gate lp := beta * sigma (- (beta * Delta lp)).
Definition sign i := match i with O => 1 | _ => -1 end.

Lemma sigma_pos x : 0 < sigma x.
Proof. unfold sigma. pose proof (exp_pos (- x)). apply Rinv_0_lt_compat. lra. Qed.

Lemma log_ratio_derive u u' x i : moves 2 L u u' x -> (i < 2)%nat -> is_derive (fun y => log_ratio L ref (u y) i) x (Sum (L i) (u' i)).
Proof.
intros M Hi. apply (Sum_derive (L i) (fun y t => u y i t - ref i t)). intros t Ht. evar_last.
- apply (is_derive_minus (fun y => u y i t) (fun _ => ref i t)); [apply M; split; assumption | apply @is_derive_const].
- unfold minus, plus, opp, zero; simpl. ring.
Qed.

Theorem dpo_coefficients : coefficients 2 L dpo (fun lp i _ => sign i * gate lp) /\ (0 < beta -> forall lp, 0 < gate lp < beta).
Proof.
split.
- intros u u' x M. unfold dpo. set (D' := Sum (L 0%nat) (u' 0%nat) - Sum (L 1%nat) (u' 1%nat)).
  assert (D : is_derive (fun y => Delta (u y)) x D').
  { evar_last; [apply (is_derive_minus (fun y => log_ratio L ref (u y) 0) (fun y => log_ratio L ref (u y) 1)); apply log_ratio_derive; (exact M || lia)|]. reflexivity. }
  assert (S : forall z, is_derive (fun y => ln (sigma (beta * y))) z (beta * sigma (- (beta * z)))).
  { intro z. unfold sigma. rewrite Ropp_involutive. pose proof (exp_pos (- (beta * z))) as P. pose proof (exp_pos (beta * z)).
    assert (E : exp (beta * z) * exp (- (beta * z)) = 1) by (rewrite <- exp_plus, Rplus_opp_r; apply exp_0).
    auto_derive; [repeat split; try lra; apply Rinv_0_lt_compat; lra|].
    assert (X : exp (- (beta * z)) = / exp (beta * z)) by apply exp_Ropp. rewrite X. field. lra. }
  evar_last; [apply (is_derive_comp (fun y => ln (sigma (beta * y))) (fun y => Delta (u y))); [apply S | exact D]|].
  unfold scal; simpl; unfold mult; simpl. unfold tokens. simpl Sum at 1.
  rewrite (Sum_scal (L 0%nat) _ (u' 0%nat)), (Sum_scal (L 1%nat) _ (u' 1%nat)). unfold D', gate. simpl. ring.
- intros B lp. unfold gate. set (z := - (beta * Delta lp)). pose proof (sigma_pos z) as P.
  assert (U : sigma z < 1) by (unfold sigma; rewrite <- Rinv_1; pose proof (exp_pos (- z)); apply Rinv_lt_contravar; lra).
  split; [apply Rmult_lt_0_compat; assumption|]. rewrite <- (Rmult_1_r beta) at 2. apply Rmult_lt_compat_l; assumption.
Qed.

(* O2: responses that share their first m tokens: these have the coefficient zero, and what is left of the derivative is that of the tokens
   after them. *)
Theorem shared_beginning m u u' x : moves 2 L u u' x -> (m <= L 0%nat)%nat -> (m <= L 1%nat)%nat ->
  (forall y t, (t < m)%nat -> u y 0%nat t = u y 1%nat t) ->
  is_derive (fun y => dpo (u x) (u y)) x
    (gate (u x) * (Sum (L 0%nat - m) (fun t => u' 0 (m + t))%nat - Sum (L 1%nat - m) (fun t => u' 1 (m + t))%nat)).
Proof.
intros M M0 M1 E. evar_last; [apply (proj1 dpo_coefficients), M|]. unfold tokens. simpl Sum at 1.
rewrite (Sum_scal (L 0%nat) _ (u' 0%nat)), (Sum_scal (L 1%nat) _ (u' 1%nat)).
replace (L 0%nat) with (m + (L 0%nat - m))%nat at 1 by lia. replace (L 1%nat) with (m + (L 1%nat - m))%nat at 1 by lia. rewrite !Sum_split.
assert (F : Sum m (u' 0%nat) = Sum m (u' 1%nat)).
{ apply Sum_ext. intros t Ht. rewrite <- (is_derive_unique (fun y => u y 0%nat t) x (u' 0%nat t)) by (apply M; split; lia).
  rewrite <- (is_derive_unique (fun y => u y 1%nat t) x (u' 1%nat t)) by (apply M; split; lia).
  apply Derive_ext. intro y. apply E, Ht. }
rewrite F. simpl. ring.
Qed.
End Pair.

(* The hypotheses can be met: log-probabilities that move along a line; two responses that share their first token. *)
Example moves_line N L (lp e : table) : moves N L (fun y i t => lp i t + y * e i t) e 0.
Proof. intros i t _. auto_derive; [exact Logic.I | ring]. Qed.

Example shared_line : let u := fun (y : R) (i t : nat) => match t with O => y | _ => INR i * y end in
  moves 2 (fun _ => 2%nat) u (fun i t => match t with O => 1 | _ => INR i end) 0 /\ forall y t, (t < 1)%nat -> u y 0%nat t = u y 1%nat t.
Proof.
intro u. split; [|intros y [|t] H; [reflexivity | lia]]. intros i [|t] _; unfold u; [apply @is_derive_id|]. auto_derive; [exact Logic.I | ring].
Qed.

(* A response of three tokens with log-ratios 1, -1 and 2: to go, the first and the third have one coefficient, the first and the second do not. *)
Definition three (_ t : nat) := match t with O => 1 | 1%nat => -1 | _ => 2 end.
Example tokens_differ_met c : let zero_table (_ _ : nat) := 0 in
  coefficients 1 (fun _ => 3%nat) (token_surrogate 1 (fun _ => 3%nat) (fun _ => 1) zero_table zero_table zero_table zero_table 1 1 full_kl) c ->
  c three 0%nat 0%nat = c three 0%nat 2%nat /\ c three 0%nat 0%nat <> c three 0%nat 1%nat.
Proof.
intros z C. split.
- apply (tokens_differ 1 _ _ _ _ _ _ _ _ full_kl c three 0 0 2 C); try lra; try lia; [split; lia|]. unfold alike, ell, z, three. simpl. ring.
- intro E. apply (tokens_differ 1 _ _ _ _ _ _ _ _ full_kl c three 0 0 1 C) in E; try lra; try lia; [|split; lia].
  unfold alike, ell, z, three in E. simpl in E. lra.
Qed.
