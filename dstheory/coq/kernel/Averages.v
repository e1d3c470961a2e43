(* Token means: the update sum of credit times score over the number of tokens, of large batches and of large groups. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Groups Others.
Open Scope R_scope.

(* A mean over things of any kind: responses, or prompts with their groups of responses. *)
Definition expectation {A} (M : (A -> R) -> R) :=
  (forall f g, M (fun a => f a + g a) = M f + M g) /\ (forall c f, M (fun a => c * f a) = c * M f) /\ (forall c, M (fun _ => c) = c)
  /\ forall f g, (forall a, f a <= g a) -> M f <= M g.
(* The mean over batches of N independent ones, and a sum over a batch. *)
Fixpoint batches {A} (M : (A -> R) -> R) N (F : list A -> R) : R :=
  match N with O => F nil | S N => M (fun a => batches M N (fun l => F (a :: l))) end.
Fixpoint sum_of {A} (f : A -> R) (l : list A) : R := match l with nil => 0 | a :: l => f a + sum_of f l end.

Section Law.
Variables (A : Type) (M : (A -> R) -> R).
Hypothesis mean : expectation M.

Lemma M_ext f g : (forall a, f a = g a) -> M f = M g.
Proof. intro H. destruct mean as [_ [_ [_ L]]]. apply Rle_antisym; apply L; intro a; rewrite H; lra. Qed.

Lemma batches_mean N : expectation (batches M N).
Proof.
destruct mean as [P [S [C L]]]. induction N as [|N [IP [IS [IC IL]]]]; [repeat split; intros; simpl; try reflexivity; auto|]. repeat split; simpl.
- intros f g. rewrite <- P. apply M_ext. intro a. apply IP.
- intros c f. rewrite <- S. apply M_ext. intro a. apply IS.
- intro c. transitivity (M (fun _ => c)); [|apply C]. apply M_ext. intro a. apply IC.
- intros f g H. apply L. intro a. apply IL. intro l. apply H.
Qed.

Lemma batches_ext N : forall F F', (forall l, length l = N -> F l = F' l) -> batches M N F = batches M N F'.
Proof. induction N as [|N I]; intros F F' H; simpl; [apply H; reflexivity|]. apply M_ext. intro a. apply I. intros l E. apply H. simpl. rewrite E. reflexivity. Qed.
Lemma batches_le N : forall F F', (forall l, length l = N -> F l <= F' l) -> batches M N F <= batches M N F'.
Proof. induction N as [|N I]; intros F F' H; simpl; [apply H; reflexivity|]. apply mean. intro a. apply I. intros l E. apply H. simpl. rewrite E. reflexivity. Qed.

(* Sums of independent deviations: their mean squares add up. *)
Definition spread f := M (fun a => f a ^ 2) - M f ^ 2.
Lemma batch_sum N f : batches M N (sum_of f) = INR N * M f.
Proof.
induction N as [|N I]; [simpl; ring|]. rewrite S_INR. simpl. destruct (batches_mean N) as [BP [BS [BC _]]]. destruct mean as [P [S [C _]]].
rewrite (M_ext _ (fun a => f a + INR N * M f)) by (intro a; rewrite (BP (fun _ => f a)), BC, I; reflexivity). rewrite P, C. ring.
Qed.

Lemma batch_square N f : batches M N (fun l => (sum_of f l - INR N * M f) ^ 2) = INR N * spread f.
Proof.
set (m := M f). induction N as [|N I]; [simpl; ring|]. destruct (batches_mean N) as [BP [BS [BC _]]]. destruct mean as [P [S [C _]]].
rewrite S_INR. cbn [batches sum_of].
rewrite (M_ext _ (fun a => f a ^ 2 + ((-2 * m) * f a + (m ^ 2 + INR N * spread f)))).
- rewrite P, P, S, C. fold m. unfold spread. fold m. ring.
- intro a. rewrite (batches_ext N _ (fun l => (sum_of f l - INR N * m) ^ 2 + ((2 * (f a - m)) * sum_of f l + ((f a - m) ^ 2 - 2 * (f a - m) * (INR N * m))))) by (intros; ring).
  rewrite BP, BP, BS, BC, I, batch_sum. fold m. ring.
Qed.

Lemma spread_nonneg f : 0 <= spread f.
Proof.
destruct mean as [P [S [C L]]]. unfold spread. replace (M (fun a => f a ^ 2) - M f ^ 2) with (M (fun a => (f a - M f) ^ 2)).
- rewrite <- (C 0). apply L. intro a. apply pow2_ge_0.
- rewrite (M_ext _ (fun a => f a ^ 2 + ((-2 * M f) * f a + M f ^ 2))) by (intros; ring). rewrite P, P, S, C. ring.
Qed.

(* An average over a batch is within (variance + 1)/(2 sqrt N) of its mean, on average. *)
Lemma average_error N f : (0 < N)%nat -> batches M N (fun l => Rabs (sum_of f l / INR N - M f)) <= (spread f + 1) / 2 / sqrt (INR N).
Proof.
intro H. apply lt_0_INR in H. set (w := sqrt (INR N)). assert (W : 0 < w) by (apply sqrt_lt_R0, H). assert (WW : w * w = INR N) by (apply sqrt_sqrt; lra).
destruct (batches_mean N) as [BP [BS [BC _]]].
apply Rle_trans with (batches M N (fun l => / (2 * w * INR N) * (sum_of f l - INR N * M f) ^ 2 + / (2 * w))).
- apply batches_le. intros l _. set (u := sum_of f l - INR N * M f). replace (sum_of f l / INR N - M f) with (u / INR N) by (unfold u; field; lra).
  unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ INR N)) by (apply Rlt_le, Rinv_0_lt_compat, H). rewrite <- WW, <- (pow2_abs u).
  pose proof (Rabs_pos u) as V. set (v := Rabs u) in *. apply Rmult_le_reg_r with (2 * w * w * w); [repeat apply Rmult_lt_0_compat; lra|].
  replace (v * / (w * w) * (2 * w * w * w)) with (2 * v * w) by (field; lra).
  replace ((/ (2 * w * (w * w)) * v ^ 2 + / (2 * w)) * (2 * w * w * w)) with (v ^ 2 + w ^ 2) by (field; lra). pose proof (pow2_ge_0 (v - w)). lra.
- rewrite BP, BS, BC, batch_square. right. rewrite <- WW. field. lra.
Qed.

(* A ratio of averages, the lower ones of numbers of at least 1 (tokens), is near the ratio of their means; so is what adds a remainder. *)
Theorem ratio_of_averages N x y (rest : list A -> R) : (0 < N)%nat -> (forall a, 1 <= y a) -> let h := M x / M y in
  batches M N (fun l => Rabs ((sum_of x l + INR N * rest l) / sum_of y l - h))
  <= (spread x + 1 + Rabs h * (spread y + 1)) / 2 / sqrt (INR N) + batches M N (fun l => Rabs (rest l)).
Proof.
intros H Y h. pose proof (average_error N x H) as X1. pose proof (average_error N y H) as Y1. apply lt_0_INR in H.
destruct (batches_mean N) as [BP [BS [BC _]]].
assert (MY : 1 <= M y) by (destruct mean as [_ [_ [C L]]]; rewrite <- (C 1); apply L, Y).
apply Rle_trans with (batches M N (fun l => (Rabs (sum_of x l / INR N - M x) + Rabs h * Rabs (sum_of y l / INR N - M y)) + Rabs (rest l))).
- apply batches_le. intros l E.
  assert (T : INR N <= sum_of y l). { rewrite <- E. clear - Y. induction l as [|a l I]; [simpl; lra|]. change (length (a :: l)) with (S (length l)). rewrite S_INR. simpl. pose proof (Y a). lra. }
  set (s := sum_of y l) in *. assert (K : 0 < INR N / s <= 1).
  { split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_le_reg_r with s; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  replace ((sum_of x l + INR N * rest l) / s - h) with ((INR N / s) * ((sum_of x l / INR N - M x) + (- h) * (s / INR N - M y) + rest l)) by (unfold h; field; lra).
  rewrite Rabs_mult, (Rabs_pos_eq (INR N / s)) by lra. set (u := sum_of x l / INR N - M x). set (v := s / INR N - M y).
  pose proof (Rabs_triang (u + - h * v) (rest l)) as R1. pose proof (Rabs_triang u (- h * v)) as R2. rewrite Rabs_mult, Rabs_Ropp in R2.
  pose proof (Rabs_pos (u + - h * v + rest l)). set (q := Rabs (u + - h * v + rest l)) in *. nra.
- rewrite BP, BP, BS. pose proof (Rabs_pos h).
  assert (Rabs h * batches M N (fun l => Rabs (sum_of y l / INR N - M y)) <= Rabs h * ((spread y + 1) / 2 / sqrt (INR N))) by (apply Rmult_le_compat_l; assumption).
  unfold Rdiv in *. lra.
Qed.

(* Markov: what is small on average is seldom large. *)
Lemma seldom_large N F delta : 0 < delta -> (forall l, 0 <= F l) -> batches M N (fun l => if Rle_dec delta (F l) then 1 else 0) <= batches M N F / delta.
Proof.
intros D P. destruct (batches_mean N) as [_ [BS _]]. unfold Rdiv. rewrite Rmult_comm, <- BS. apply batches_le. intros l _.
destruct (Rle_dec delta (F l)) as [L|L]; [|apply Rmult_le_pos; [apply Rlt_le, Rinv_0_lt_compat, D | apply P]].
apply Rmult_le_reg_l with delta; [exact D|]. rewrite <- Rmult_assoc, Rinv_r; lra.
Qed.
End Law.

Lemma over_root c : is_lim_seq (fun N => c / sqrt (INR N)) 0.
Proof.
replace (Finite 0) with (Rbar_mult c 0) by (simpl; f_equal; ring). apply is_lim_seq_scal_l with (u := fun N => / sqrt (INR N)).
apply (is_lim_seq_inv _ p_infty); [|discriminate].
apply (is_lim_comp_seq sqrt INR p_infty p_infty (is_lim_sqrt_p (fun x => x) p_infty (is_lim_id p_infty))); [exists 0%nat; intros; discriminate | apply is_lim_seq_INR].
Qed.

(* What tends to h in mean: on average, and so in probability. *)
Definition tends {A} (M : (A -> R) -> R) (U : list A -> R) h :=
  is_lim_seq (fun N => batches M N (fun l => Rabs (U l - h))) 0
  /\ is_lim_seq (fun N => batches M N U) h
  /\ forall delta, 0 < delta -> is_lim_seq (fun N => batches M N (fun l => if Rle_dec delta (Rabs (U l - h)) then 1 else 0)) 0.

Lemma tends_by {A} (M : (A -> R) -> R) U h c : expectation M ->
  (forall N, (0 < N)%nat -> batches M N (fun l => Rabs (U l - h)) <= c / sqrt (INR N)) -> tends M U h.
Proof.
intros E H. assert (Z : forall F, (forall l, 0 <= F l) -> forall N, 0 <= batches M N F).
{ intros F P N. destruct (batches_mean A M E N) as [_ [_ [BC BL]]]. rewrite <- (BC 0). apply BL, P. }
assert (L1 : is_lim_seq (fun N => batches M N (fun l => Rabs (U l - h))) 0).
{ apply is_lim_seq_incr_1. apply is_lim_seq_le_le with (u := fun _ => 0) (w := fun N => c / sqrt (INR (S N))).
  - intro N. split; [apply Z; intro; apply Rabs_pos | apply H; lia].
  - apply is_lim_seq_const.
  - apply (is_lim_seq_incr_1 (fun N => c / sqrt (INR N))), over_root. }
split; [exact L1|]. split.
- apply is_lim_seq_ext with (fun N => (batches M N U - h) + h); [intro; ring|].
  replace (Finite h) with (Finite (0 + h)) by (f_equal; ring). apply is_lim_seq_plus'; [|apply is_lim_seq_const].
  apply is_lim_seq_abs_0. apply is_lim_seq_le_le with (u := fun _ => 0) (w := fun N => batches M N (fun l => Rabs (U l - h))); [|apply is_lim_seq_const | exact L1].
  intro N. split; [apply Rabs_pos|]. destruct (batches_mean A M E N) as [BP [BS [BC BL]]].
  assert (D : forall k, k = 1 \/ k = -1 -> k * (batches M N U - h) <= batches M N (fun l => Rabs (U l - h))).
  { intros k K. replace (k * (batches M N U - h)) with (batches M N (fun l => k * U l + - (k * h))) by (rewrite BP, BS, BC; ring).
    apply BL. intro l. destruct K as [-> | ->]; [pose proof (Rle_abs (U l - h)); lra | pose proof (Rle_abs (- (U l - h))) as Q; rewrite Rabs_Ropp in Q; lra]. }
  apply Rabs_le. pose proof (D 1 ltac:(left; reflexivity)). pose proof (D (-1) ltac:(right; reflexivity)). lra.
- intros delta P. apply is_lim_seq_le_le with (u := fun _ => 0) (w := fun N => / delta * batches M N (fun l => Rabs (U l - h))).
  + intro N. split; [apply Z; intro l; destruct (Rle_dec _ _); lra|]. rewrite Rmult_comm. apply seldom_large; [exact E | exact P | intro; apply Rabs_pos].
  + apply is_lim_seq_const.
  + replace (Finite 0) with (Rbar_mult (/ delta) 0) by (simpl; f_equal; ring). apply is_lim_seq_scal_l, L1.
Qed.

(* Responses: r is the reward, f a component of the score, t >= 1 the number of tokens. *)
Section Responses.
Variables (n : nat) (p r f t : nat -> R).
Hypothesis sums : Sum n p = 1.
Hypothesis positive : forall i, (i < n)%nat -> 0 <= p i.
Hypothesis score : mean n p f = 0.
Hypothesis tokens : forall i, 1 <= t i.
Notation slope := (mean n p (fun i => r i * f i)).

Lemma response_mean : expectation (mean n p).
Proof.
unfold mean. repeat split.
- intros u v. rewrite <- Sum_plus. apply Sum_ext; intros; ring.
- intros c u. rewrite <- Sum_scal. apply Sum_ext; intros; ring.
- intro c. rewrite Sum_scal_r, sums. ring.
- intros u v H. apply Sum_le. intros i I. apply Rmult_le_compat_l; [apply positive, I | apply H].
Qed.

(* O7: with any constant baseline J the token mean over a batch tends to grad J/E[L]. *)
Theorem batch_token_mean J : tends (mean n p) (fun l => sum_of (fun i => (r i - J) * f i) l / sum_of t l) (slope / mean n p t).
Proof.
set (x := fun i => (r i - J) * f i).
assert (E : mean n p x = slope).
{ unfold mean, x. rewrite (Sum_ext n _ (fun i => p i * (r i * f i) + (- J) * (p i * f i))) by (intros; ring). rewrite Sum_plus, Sum_scal.
  fold (mean n p f). rewrite score. unfold mean. ring. }
apply tends_by with ((spread nat (mean n p) x + 1 + Rabs (slope / mean n p t) * (spread nat (mean n p) t + 1)) / 2); [exact response_mean|].
intros N H. pose proof (ratio_of_averages nat (mean n p) response_mean N x t (fun _ => 0) H tokens) as B. cbv zeta in B. rewrite E in B.
destruct (batches_mean nat (mean n p) response_mean N) as [_ [_ [BC _]]].
rewrite (batches_ext nat (mean n p) response_mean N (fun l => Rabs 0) (fun _ => 0)), BC, Rplus_0_r in B by (intros; apply Rabs_R0).
eapply Rle_trans; [|exact B]. right. apply (batches_ext nat (mean n p) response_mean). intros l _. rewrite Rmult_0_r, Rplus_0_r. reflexivity.
Qed.

(* O7-groups: the token mean over one group, with the group's own mean as baseline, tends to grad J_x/E[L | x] as the group grows. *)
Theorem group_token_mean c : (forall i, Rabs (r i) <= c) ->
  tends (mean n p) (fun l => sum_of (fun i => (r i - sum_of r l / INR (length l)) * f i) l / sum_of t l) (slope / mean n p t).
Proof.
intro C. set (x := fun i => r i * f i). set (rest := fun l : list nat => - (sum_of r l / INR (length l) * (sum_of f l / INR (length l)))).
assert (C0 : 0 <= c) by (pose proof (C 0%nat); pose proof (Rabs_pos (r 0%nat)); lra).
apply tends_by with ((spread nat (mean n p) x + 1 + Rabs (mean n p x / mean n p t) * (spread nat (mean n p) t + 1)) / 2 + c * ((spread nat (mean n p) f + 1) / 2)); [exact response_mean|].
intros N H. pose proof (ratio_of_averages nat (mean n p) response_mean N x t rest H tokens) as B. cbv zeta in B.
destruct (batches_mean nat (mean n p) response_mean N) as [_ [BS _]]. pose proof (average_error nat (mean n p) response_mean N f H) as F. rewrite score in F.
pose proof (lt_0_INR N H) as N0.
assert (R1 : batches (mean n p) N (fun l => Rabs (rest l)) <= c * ((spread nat (mean n p) f + 1) / 2 / sqrt (INR N))).
{ apply Rle_trans with (batches (mean n p) N (fun l => c * Rabs (sum_of f l / INR N - 0))); [|rewrite BS; apply Rmult_le_compat_l; assumption].
  apply (batches_le nat (mean n p) response_mean). intros l L. unfold rest. rewrite L, Rabs_Ropp, Rabs_mult, Rminus_0_r.
  apply Rmult_le_compat_r; [apply Rabs_pos|]. unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ INR N)) by (apply Rlt_le, Rinv_0_lt_compat, N0).
  apply Rmult_le_reg_r with (INR N); [exact N0|]. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. rewrite <- L. clear - C.
  induction l as [|i l I]; [simpl; rewrite Rabs_R0; lra|]. change (length (i :: l)) with (S (length l)). rewrite S_INR. simpl. pose proof (Rabs_triang (r i) (sum_of r l)). pose proof (C i). lra. }
apply Rle_trans with (batches (mean n p) N (fun l => Rabs ((sum_of x l + INR N * rest l) / sum_of t l - mean n p x / mean n p t))).
- right. apply (batches_ext nat (mean n p) response_mean). intros l L. f_equal. f_equal. f_equal. unfold rest. rewrite L.
  replace (sum_of (fun i => (r i - sum_of r l / INR N) * f i) l) with (sum_of x l - sum_of r l / INR N * sum_of f l); [field; lra|].
  generalize (sum_of r l / INR N). intro b. unfold x. clear. induction l as [|i l I]; simpl; [ring|]. rewrite <- I. ring.
- eapply Rle_trans; [exact B|]. eapply Rle_trans; [apply Rplus_le_compat_l, R1|]. right. field. apply Rgt_not_eq, sqrt_lt_R0, N0.
Qed.
End Responses.

(* O7 with several prompts: x < X is met with frequency rho x, and has responses of its own; G of them make a group. *)
Section PromptGroups.
Variables (X n G : nat) (rho : nat -> R) (p r f t : nat -> nat -> R).
Hypothesis frequencies : Sum X rho = 1.
Hypothesis met : forall x, (x < X)%nat -> 0 <= rho x.
Hypothesis sums : forall x, Sum n (p x) = 1.
Hypothesis positive : forall x i, (i < n)%nat -> 0 <= p x i.
Hypothesis scores : forall x, mean n (p x) (f x) = 0.
Hypothesis tokens : forall x i, 1 <= t x i.
Hypothesis groups : (0 < G)%nat.

Definition grouped (F : nat * list nat -> R) := Sum X (fun x => rho x * mean_of_groups n (p x) G (fun l => F (x, l))).
Definition gradient := Sum X (fun x => rho x * mean n (p x) (fun i => r x i * f x i)).
Definition length_mean := Sum X (fun x => rho x * mean n (p x) (t x)).
(* Credit times score of a group of prompt x, with the group's mean as baseline, and its tokens, of which a group has at least one. *)
Definition credited (a : nat * list nat) := total (fun i => centred (r (fst a)) (snd a) i * f (fst a) i) (snd a).
Definition counted (a : nat * list nat) := Rmax 1 (total (t (fst a)) (snd a)).

Lemma grouped_mean : expectation grouped.
Proof.
unfold grouped. repeat split.
- intros u v. rewrite <- Sum_plus. apply Sum_ext; intros. rewrite E_plus. ring.
- intros c u. rewrite <- Sum_scal. apply Sum_ext; intros. rewrite E_scal. ring.
- intro c. rewrite (Sum_ext X _ (fun x => rho x * c)) by (intros; rewrite E_const by apply sums; reflexivity). rewrite Sum_scal_r, frequencies. ring.
- intros u v H. apply Sum_le. intros x I. apply Rmult_le_compat_l; [apply met, I|]. apply E_le; [apply positive | intros; apply H].
Qed.

Lemma counted_tokens x l : length l = G -> counted (x, l) = total (t x) l.
Proof.
intro L. unfold counted. simpl. apply Rmax_right. destruct l as [|i l]; [simpl in L; lia|]. clear L. simpl.
assert (0 <= total (t x) l) by (induction l as [|j l I]; simpl; [lra | pose proof (tokens x j); lra]). pose proof (tokens x i). lra.
Qed.

(* One factor (G - 1)/G/E[L] for all prompts: the direction is that of the whole gradient. *)
Theorem prompts_token_mean :
  tends grouped (fun l => sum_of credited l / sum_of counted l) ((INR G - 1) / INR G * (gradient / length_mean))
  /\ forall x l, length l = G -> counted (x, l) = total (t x) l.
Proof.
split; [|exact counted_tokens]. pose proof (lt_0_INR G groups) as G0.
assert (XN : grouped credited = (INR G - 1) * gradient).
{ unfold grouped, gradient. rewrite <- Sum_scal. apply Sum_ext; intros x _.
  rewrite (E_ext n (p x) G _ (fun l => INR G * update (centred (r x)) (f x) l)).
  - rewrite E_scal, centred_update by (apply sums || exact groups). rewrite scores. field. lra.
  - intros l L. unfold credited, update, size. simpl. rewrite L. field. lra. }
assert (YN : grouped counted = INR G * length_mean).
{ unfold grouped, length_mean. rewrite <- Sum_scal. apply Sum_ext; intros x _.
  rewrite (E_ext n (p x) G _ (total (t x))) by (intros l L; apply counted_tokens, L). rewrite E_total by apply sums. ring. }
assert (LP : 1 <= length_mean).
{ destruct (grouped_mean) as [_ [_ [C L]]]. apply Rmult_le_reg_l with (INR G); [exact G0|]. rewrite <- YN, Rmult_1_r, <- (C (INR G)). unfold grouped.
  apply Sum_le. intros x I. apply Rmult_le_compat_l; [apply met, I|]. apply E_le; [apply positive|]. intros l E. rewrite counted_tokens by exact E. rewrite <- E.
  clear - tokens. induction l as [|i l I]; [simpl; lra|]. change (length (i :: l)) with (S (length l)). rewrite S_INR. simpl. pose proof (tokens x i). lra. }
replace ((INR G - 1) / INR G * (gradient / length_mean)) with (grouped credited / grouped counted) by (rewrite XN, YN; field; lra).
set (h := grouped credited / grouped counted).
apply tends_by with ((spread _ grouped credited + 1 + Rabs h * (spread _ grouped counted + 1)) / 2); [exact grouped_mean|]. intros N H.
pose proof (ratio_of_averages _ grouped grouped_mean N credited counted (fun _ => 0) H (fun a => Rmax_l _ _)) as B. cbv beta zeta in B. fold h in B.
destruct (batches_mean _ grouped grouped_mean N) as [_ [_ [BC _]]].
assert (Z0 : batches grouped N (fun _ => Rabs 0) = 0).
{ transitivity (batches grouped N (fun _ => 0)); [apply (batches_ext _ grouped grouped_mean); intros; apply Rabs_R0 | apply BC]. }
rewrite Z0, Rplus_0_r in B. eapply Rle_trans; [|exact B]. right. apply (batches_ext _ grouped grouped_mean). intros l _. rewrite Rmult_0_r, Rplus_0_r. reflexivity.
Qed.
End PromptGroups.

(* O7-groups: averaged over groups of prompts x with frequencies rho, the expected update tends to the sum of rho_x grad J_x/E[L | x]. *)
Theorem groups_of_prompts X rho (M : nat -> (nat -> R) -> R) (U : nat -> list nat -> R) h : (forall x, (x < X)%nat -> tends (M x) (U x) (h x)) ->
  is_lim_seq (fun G => Sum X (fun x => rho x * batches (M x) G (U x))) (Sum X (fun x => rho x * h x)).
Proof.
induction X as [|X I]; intro H; simpl; [apply is_lim_seq_const|]. apply is_lim_seq_plus'; [apply I; intros; apply H; lia|].
apply is_lim_seq_mult'; [apply is_lim_seq_const | apply H; lia].
Qed.

(* That is along grad J for all gradients g x k (prompt x, parameter k) exactly if all prompts have one mean length. *)
Theorem one_length_iff X rho (length : nat -> R) : (forall x, (x < X)%nat -> 0 < rho x) -> (forall x, (x < X)%nat -> 0 < length x) ->
  ((forall g : nat -> nat -> R, exists lambda, forall k, Sum X (fun x => rho x * (g x k / length x)) = lambda * Sum X (fun x => rho x * g x k))
   <-> forall x y, (x < X)%nat -> (y < X)%nat -> length x = length y).
Proof.
intros R L. split.
- intros H. destruct (H (fun x k => delta x k)) as [lambda E].
  assert (Q : forall x, (x < X)%nat -> / length x = lambda).
  { intros x I. pose proof (E x) as F. rewrite (Sum_ext X _ (fun y => (rho y / length y) * delta y x)) in F by (intros; unfold Rdiv; ring).
    rewrite (Sum_delta X (fun y => rho y / length y)), (Sum_delta X rho) in F by exact I. pose proof (R x I). pose proof (L x I).
    apply (Rmult_eq_reg_l (rho x)); [unfold Rdiv in F; lra | lra]. }
  intros x y I J. pose proof (Q x I) as A. rewrite <- (Q y J) in A. pose proof (L x I). pose proof (L y J). rewrite <- (Rinv_inv (length x)), A, Rinv_inv. reflexivity.
- intros H g. destruct X as [|X]; [exists 0; intro; simpl; ring|]. exists (/ length 0%nat). intro k. rewrite <- Sum_scal. apply Sum_ext.
  intros x I. rewrite (H x 0%nat I ltac:(lia)). unfold Rdiv. ring.
Qed.

(* The hypotheses can be met: two equally likely responses of one and of two tokens, the shorter one right, with scores 1 and -1. *)
Example two_lengths : let p (_ : nat) := 1 / 2 in let r i := match i with O => 1 | _ => 0 end in let f i := match i with O => 1 | _ => -1 end in
  let t i := match i with O => 1 | _ => 2 end in
  Sum 2 p = 1 /\ mean 2 p f = 0 /\ (forall i, 1 <= t i) /\ (forall i, Rabs (r i) <= 1) /\ mean 2 p (fun i => r i * f i) / mean 2 p t = 1 / 3.
Proof.
unfold mean. simpl. split; [field|]. split; [field|]. split; [intros [|i]; lra|]. split; [|field]. intros [|i]; rewrite Rabs_pos_eq; lra.
Qed.
