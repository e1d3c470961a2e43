(* Means over things of any kind, and over batches of independent ones. A function has a mean if it is ok: the law may be that of
   finitely many responses, of countably many, or any probability measure. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List FunctionalExtensionality.
From Kernel Require Import Sums.
Open Scope R_scope.

Definition expectation {A} (ok : (A -> R) -> Prop) (M : (A -> R) -> R) :=
  (forall c, ok (fun _ => c) /\ M (fun _ => c) = c)
  /\ (forall c f, ok f -> ok (fun a => c * f a) /\ M (fun a => c * f a) = c * M f)
  /\ (forall f g, ok f -> ok g -> ok (fun a => f a + g a) /\ M (fun a => f a + g a) = M f + M g)
  /\ (forall f g, ok f -> ok g -> (forall a, f a <= g a) -> M f <= M g).
(* A discrete law: what another function bounds that has a mean has one itself, as no function is beyond measure. *)
Definition discrete {A} (ok : (A -> R) -> Prop) M := expectation ok M /\ forall f g, ok g -> (forall a, Rabs (f a) <= Rabs (g a)) -> ok f.

(* The mean over batches of N independent ones, the functions that have one, and a sum over a batch. *)
Fixpoint batches {A} (M : (A -> R) -> R) N (F : list A -> R) : R :=
  match N with O => F nil | S N => M (fun a => batches M N (fun l => F (a :: l))) end.
Fixpoint integrable {A} (ok : (A -> R) -> Prop) M N (F : list A -> R) : Prop := match N with O => True
  | S N => (forall a, integrable ok M N (fun l => F (a :: l))) /\ ok (fun a => batches M N (fun l => Rabs (F (a :: l)))) end.
Fixpoint sum_of {A} (f : A -> R) (l : list A) : R := match l with nil => 0 | a :: l => f a + sum_of f l end.

Section Mean.
Variables (A : Type) (ok : (A -> R) -> Prop) (M : (A -> R) -> R).
Hypothesis mean : expectation ok M.

Lemma mean_const c : ok (fun _ => c) /\ M (fun _ => c) = c.
Proof. apply mean. Qed.
Lemma mean_scal c f : ok f -> ok (fun a => c * f a) /\ M (fun a => c * f a) = c * M f.
Proof. apply mean. Qed.
Lemma mean_plus f g : ok f -> ok g -> ok (fun a => f a + g a) /\ M (fun a => f a + g a) = M f + M g.
Proof. apply mean. Qed.
Lemma mean_le f g : ok f -> ok g -> (forall a, f a <= g a) -> M f <= M g.
Proof. apply mean. Qed.

(* Combinations of two functions and a number. *)
Lemma mean_line x f y g c : ok f -> ok g -> ok (fun a => x * f a + y * g a + c) /\ M (fun a => x * f a + y * g a + c) = x * M f + y * M g + c.
Proof.
intros F G. destruct (mean_scal x f F) as [F1 F2]. destruct (mean_scal y g G) as [G1 G2]. destruct (mean_plus _ _ F1 G1) as [P1 P2].
destruct (mean_plus _ _ P1 (proj1 (mean_const c))) as [Q1 Q2]. split; [exact Q1|]. rewrite Q2, P2, F2, G2, (proj2 (mean_const c)). reflexivity.
Qed.

Lemma mean_nonneg f : ok f -> (forall a, 0 <= f a) -> 0 <= M f.
Proof. intros F P. rewrite <- (proj2 (mean_const 0)). apply mean_le; [apply mean_const | exact F | exact P]. Qed.
Lemma mean_abs f : ok f -> ok (fun a => Rabs (f a)) -> Rabs (M f) <= M (fun a => Rabs (f a)).
Proof.
intros F G. destruct (mean_scal (-1) f F) as [N E]. apply Rabs_le.
assert (M f <= M (fun a => Rabs (f a))) by (apply mean_le; [exact F | exact G | intro; apply Rle_abs]).
assert (M (fun a => -1 * f a) <= M (fun a => Rabs (f a))).
{ apply mean_le; [exact N | exact G | intro a; pose proof (Rle_abs (- f a)) as Q; rewrite Rabs_Ropp in Q; lra]. } lra.
Qed.

(* The variance, and that it is the mean square less the square of the mean. *)
Definition spread f := M (fun a => (f a - M f) ^ 2).
Lemma spread_form f : ok f -> ok (fun a => f a ^ 2) -> ok (fun a => (f a - M f) ^ 2) /\ spread f = M (fun a => f a ^ 2) - M f ^ 2.
Proof.
intros F Q. unfold spread. destruct (mean_line 1 (fun a => f a ^ 2) (- 2 * M f) f (M f ^ 2) Q F) as [L E].
replace (fun a => (f a - M f) ^ 2) with (fun a => 1 * f a ^ 2 + - 2 * M f * f a + M f ^ 2) by (extensionality a; ring).
split; [exact L|]. rewrite E. ring.
Qed.
Lemma spread_nonneg f : ok f -> ok (fun a => f a ^ 2) -> 0 <= spread f.
Proof. intros F Q. apply mean_nonneg; [apply spread_form; assumption | intro; apply pow2_ge_0]. Qed.
End Mean.

Section Law.
Variables (A : Type) (ok : (A -> R) -> Prop) (M : (A -> R) -> R).
Hypothesis law : discrete ok M.
Let mean : expectation ok M := proj1 law.

Lemma bounded_ok f g : ok g -> (forall a, Rabs (f a) <= g a) -> ok f.
Proof. intros G H. apply law with (1 := G). intro a. eapply Rle_trans; [apply H | apply Rle_abs]. Qed.
Lemma ok_abs f : ok f -> ok (fun a => Rabs (f a)).
Proof. intro F. apply law with (1 := F). intro a. rewrite Rabs_Rabsolu. apply Rle_refl. Qed.
(* A function whose square has a mean has one, and so has the product of two such. *)
Lemma square_ok f : ok (fun a => f a ^ 2) -> ok f.
Proof.
intro Q. apply bounded_ok with (fun a => f a ^ 2 + 1).
- apply (mean_plus A ok M mean); [exact Q | apply (mean_const A ok M mean)].
- intro a. rewrite <- (pow2_abs (f a)). pose proof (pow2_ge_0 (Rabs (f a) - 1)). pose proof (Rabs_pos (f a)). nra.
Qed.
Lemma product_ok f g : ok (fun a => f a ^ 2) -> ok (fun a => g a ^ 2) -> ok (fun a => f a * g a).
Proof.
intros F G. apply bounded_ok with (fun a => f a ^ 2 + g a ^ 2).
- apply (mean_plus A ok M mean); assumption.
- intro a. rewrite Rabs_mult, <- (pow2_abs (f a)), <- (pow2_abs (g a)). pose proof (pow2_ge_0 (Rabs (f a) - Rabs (g a))).
  pose proof (pow2_ge_0 (Rabs (f a))). pose proof (pow2_ge_0 (Rabs (g a))). lra.
Qed.

(* Batches have a discrete law, too; only lists of N matter to it. *)
Lemma integrable_abs N : forall F, integrable ok M N F -> integrable ok M N (fun l => Rabs (F l)).
Proof.
induction N as [|N I]; simpl; [auto|]. intros F [S B]. split; [intro a; apply (I _ (S a))|].
replace (fun a => batches M N (fun l => Rabs (Rabs (F (a :: l))))) with (fun a => batches M N (fun l => Rabs (F (a :: l)))); [exact B|].
extensionality a. f_equal. extensionality l. symmetry. apply Rabs_Rabsolu.
Qed.

Lemma batches_bounded N : (forall c, integrable ok M N (fun _ => c) /\ batches M N (fun _ => c) = c)
  /\ (forall x F y G c, integrable ok M N F -> integrable ok M N G -> integrable ok M N (fun l => x * F l + y * G l + c)
       /\ batches M N (fun l => x * F l + y * G l + c) = x * batches M N F + y * batches M N G + c)
  /\ (forall F G, integrable ok M N F -> integrable ok M N G -> (forall l, length l = N -> F l <= G l) -> batches M N F <= batches M N G)
  /\ forall F G, integrable ok M N G -> (forall l, length l = N -> Rabs (F l) <= G l) -> integrable ok M N F.
Proof.
induction N as [|N [IC [IP [IL ID]]]]; [simpl; repeat split; intros; auto; lra|].
assert (Own : forall F, integrable ok M (S N) F -> ok (fun a => batches M N (fun l => F (a :: l)))).
{ intros F [S B]. apply bounded_ok with (1 := B). intro a. pose proof (integrable_abs N _ (S a)) as SA. apply Rabs_le.
  destruct (IP (-1) _ 0 _ 0 (S a) (S a)) as [MI ME].
  assert (U : batches M N (fun l => F (a :: l)) <= batches M N (fun l => Rabs (F (a :: l)))) by (apply IL; [apply S | exact SA | intros; apply Rle_abs]).
  assert (W : batches M N (fun l => -1 * F (a :: l) + 0 * F (a :: l) + 0) <= batches M N (fun l => Rabs (F (a :: l)))).
  { apply IL; [exact MI | exact SA|]. intros l _. pose proof (Rle_abs (- F (a :: l))) as Q. rewrite Rabs_Ropp in Q. lra. } lra. }
assert (Dom : forall F G, integrable ok M (S N) G -> (forall l, length l = S N -> Rabs (F l) <= G l) -> integrable ok M (S N) F).
{ intros F G [S B] H. assert (SF : forall a, integrable ok M N (fun l => F (a :: l))).
  { intro a. apply ID with (1 := S a). intros l E. apply H. simpl. rewrite E. reflexivity. }
  split; [exact SF|]. apply bounded_ok with (1 := B). intro a. pose proof (integrable_abs N _ (SF a)) as SA. pose proof (integrable_abs N _ (S a)) as SG.
  assert (P : 0 <= batches M N (fun l => Rabs (F (a :: l)))).
  { rewrite <- (proj2 (IC 0)). apply IL; [apply IC | exact SA | intros; apply Rabs_pos]. }
  rewrite Rabs_pos_eq by exact P. apply IL; [exact SA | exact SG|]. intros l E.
  eapply Rle_trans; [apply H; simpl; rewrite E; reflexivity | apply Rle_abs]. }
assert (C : forall c, integrable ok M (S N) (fun _ => c) /\ batches M (S N) (fun _ => c) = c).
{ intro c. split.
  - split; [intro a; apply IC|]. simpl. replace (fun _ : A => batches M N (fun _ => Rabs c)) with (fun _ : A => Rabs c); [apply (mean_const A ok M mean)|].
    extensionality a. symmetry. apply IC.
  - simpl. replace (fun _ : A => batches M N (fun _ => c)) with (fun _ : A => c); [apply (mean_const A ok M mean)|]. extensionality a. symmetry. apply IC. }
split; [exact C|]. split; [|split; [|exact Dom]].
- intros x F y G c HF HG. pose proof (Own F HF) as OF. pose proof (Own G HG) as OG. destruct HF as [SF BF], HG as [SG BG]. split.
  + split; [intro a; apply (IP x _ y _ c (SF a) (SG a))|].
    destruct (mean_line A ok M mean (Rabs x) _ (Rabs y) _ (Rabs c) BF BG) as [L _]. apply bounded_ok with (1 := L). intro a.
    pose proof (integrable_abs N _ (proj1 (IP x _ y _ c (SF a) (SG a)))) as SA. pose proof (integrable_abs N _ (SF a)) as AF. pose proof (integrable_abs N _ (SG a)) as AG.
    destruct (IP (Rabs x) _ (Rabs y) _ (Rabs c) AF AG) as [LI LE]. rewrite <- LE.
    rewrite Rabs_pos_eq by (rewrite <- (proj2 (IC 0)); apply IL; [apply IC | exact SA | intros; apply Rabs_pos]).
    apply IL; [exact SA | exact LI|]. intros l _. rewrite <- !Rabs_mult. eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat_r, Rabs_triang.
  + simpl. destruct (mean_line A ok M mean x _ y _ c OF OG) as [_ E]. rewrite <- E. f_equal. extensionality a. apply (IP x _ y _ c (SF a) (SG a)).
- intros F G HF HG H. simpl. apply (mean_le A ok M mean); [apply Own, HF | apply Own, HG|]. intro a. apply IL; [apply HF | apply HG|].
  intros l E. apply H. simpl. rewrite E. reflexivity.
Qed.

Lemma batches_const N c : integrable ok M N (fun _ => c) /\ batches M N (fun _ => c) = c.
Proof. apply batches_bounded. Qed.
Lemma batches_line N x F y G c : integrable ok M N F -> integrable ok M N G -> integrable ok M N (fun l => x * F l + y * G l + c)
  /\ batches M N (fun l => x * F l + y * G l + c) = x * batches M N F + y * batches M N G + c.
Proof. apply batches_bounded. Qed.
Lemma batches_le N F G : integrable ok M N F -> integrable ok M N G -> (forall l, length l = N -> F l <= G l) -> batches M N F <= batches M N G.
Proof. apply batches_bounded. Qed.
Lemma bounded_integrable N F G : integrable ok M N G -> (forall l, length l = N -> Rabs (F l) <= G l) -> integrable ok M N F.
Proof. apply batches_bounded. Qed.
Lemma batches_ext N F G : (forall l, length l = N -> F l = G l) -> batches M N F = batches M N G.
Proof.
revert F G. induction N as [|N I]; intros F G H; simpl; [apply H; reflexivity|]. f_equal. extensionality a. apply I.
intros l E. apply H. simpl. rewrite E. reflexivity.
Qed.
Lemma integrable_ext N F G : integrable ok M N F -> (forall l, length l = N -> F l = G l) -> integrable ok M N G.
Proof.
intros HF H. apply bounded_integrable with (1 := integrable_abs N F HF). intros l E. rewrite (H l E). apply Rle_refl.
Qed.
Lemma batches_nonneg N F : integrable ok M N F -> (forall l, length l = N -> 0 <= F l) -> 0 <= batches M N F.
Proof. intros HF H. rewrite <- (proj2 (batches_const N 0)). apply batches_le; [apply batches_const | exact HF | exact H]. Qed.

Lemma batches_discrete N : discrete (integrable ok M N) (batches M N).
Proof.
split; [split; [|split; [|split]]|].
- intro c. apply batches_const.
- intros c F H. destruct (batches_line N c F 0 F 0 H H) as [I E].
  replace (fun l => c * F l) with (fun l => c * F l + 0 * F l + 0) by (extensionality l; ring). split; [exact I | rewrite E; ring].
- intros F G HF HG. destruct (batches_line N 1 F 1 G 0 HF HG) as [I E].
  replace (fun l => F l + G l) with (fun l => 1 * F l + 1 * G l + 0) by (extensionality l; ring). split; [exact I | rewrite E; ring].
- intros F G HF HG H. apply batches_le; [exact HF | exact HG | intros l _; apply H].
- intros F G HG H. apply bounded_integrable with (1 := integrable_abs N G HG). intros l _. apply H.
Qed.

(* What the first thing of a batch and the others say multiplies. *)
Definition first_times u (F : list A -> R) l := match l with nil => 0 | a :: l => u a * F l end.
Lemma batches_first N u F : ok u -> integrable ok M N F ->
  integrable ok M (S N) (first_times u F) /\ batches M (S N) (first_times u F) = M u * batches M N F.
Proof.
intros U HF.
assert (L : forall c F, integrable ok M N F -> integrable ok M N (fun l => c * F l) /\ batches M N (fun l => c * F l) = c * batches M N F) by (intros; apply (batches_discrete N); assumption).
assert (T : forall c f, ok f -> ok (fun a => f a * c) /\ M (fun a => f a * c) = M f * c).
{ intros c f O. destruct (mean_scal A ok M mean c f O) as [P E]. rewrite Rmult_comm, <- E.
  replace (fun a => f a * c) with (fun a => c * f a) by (extensionality a; ring). split; [exact P | reflexivity]. }
split; [split; [intro a; apply (L (u a) F HF)|]|]; simpl.
- replace (fun a => batches M N (fun l => Rabs (u a * F l))) with (fun a => Rabs (u a) * batches M N (fun l => Rabs (F l))); [apply T, ok_abs, U|].
  extensionality a. rewrite <- (proj2 (L (Rabs (u a)) _ (integrable_abs N F HF))). f_equal. extensionality l. rewrite Rabs_mult. reflexivity.
- rewrite <- (proj2 (T (batches M N F) u U)). f_equal. extensionality a. apply L, HF.
Qed.

(* Sums over a batch, and products of two of them. *)
Lemma batch_sum N f : ok f -> integrable ok M N (sum_of f) /\ batches M N (sum_of f) = INR N * M f.
Proof.
intro F. induction N as [|N [I E]]; [simpl; split; [exact Logic.I | ring]|].
destruct (batches_first N f (fun _ => 1) F (proj1 (batches_const N 1))) as [I1 E1].
destruct (batches_first N (fun _ => 1) (sum_of f) (proj1 (mean_const A ok M mean 1)) I) as [I2 E2].
destruct (batches_line (S N) 1 _ 1 _ 0 I1 I2) as [J K].
assert (X : forall l, length l = S N -> 1 * first_times f (fun _ => 1) l + 1 * first_times (fun _ => 1) (sum_of f) l + 0 = sum_of f l)
  by (intros [|a l] H; [discriminate | simpl; ring]).
split; [apply integrable_ext with (1 := J), X|]. rewrite <- (batches_ext (S N) _ _ X), K, E1, E2, E, (proj2 (batches_const N 1)), (proj2 (mean_const A ok M mean 1)), S_INR. ring.
Qed.

Lemma batch_product N f g : ok f -> ok g -> ok (fun a => f a * g a) -> integrable ok M N (fun l => sum_of f l * sum_of g l)
  /\ batches M N (fun l => sum_of f l * sum_of g l) = INR N * M (fun a => f a * g a) + INR N * (INR N - 1) * (M f * M g).
Proof.
intros F G FG. induction N as [|N [I E]]; [simpl; split; [exact Logic.I | ring]|].
destruct (batches_first N (fun a => f a * g a) (fun _ => 1) FG (proj1 (batches_const N 1))) as [I1 E1].
destruct (batches_first N f (sum_of g) F (proj1 (batch_sum N g G))) as [I2 E2].
destruct (batches_first N g (sum_of f) G (proj1 (batch_sum N f F))) as [I3 E3].
destruct (batches_first N (fun _ => 1) _ (proj1 (mean_const A ok M mean 1)) I) as [I4 E4].
destruct (batches_line (S N) 1 _ 1 _ 0 I1 I2) as [J1 K1]. destruct (batches_line (S N) 1 _ 1 _ 0 I3 I4) as [J2 K2]. destruct (batches_line (S N) 1 _ 1 _ 0 J1 J2) as [J K].
match type of J with integrable _ _ _ ?H => assert (X : forall l, length l = S N -> H l = sum_of f l * sum_of g l) by (intros [|a l] L; [discriminate | simpl; ring]) end.
split; [apply integrable_ext with (1 := J), X|]. rewrite <- (batches_ext (S N) _ _ X), K, K1, K2, E1, E2, E3, E4, E, (proj2 (batches_const N 1)), (proj2 (mean_const A ok M mean 1)),
  (proj2 (batch_sum N f F)), (proj2 (batch_sum N g G)), S_INR. ring.
Qed.

(* Mean squares of independent deviations add up. *)
Lemma batch_square N f : ok f -> ok (fun a => f a ^ 2) -> integrable ok M N (fun l => (sum_of f l - INR N * M f) ^ 2)
  /\ batches M N (fun l => (sum_of f l - INR N * M f) ^ 2) = INR N * spread A M f.
Proof.
intros F Q. set (m := M f).
assert (P : (fun a => f a * f a) = (fun a => f a ^ 2)) by (extensionality a; ring).
destruct (batch_product N f f F F ltac:(rewrite P; exact Q)) as [I E]. rewrite P in E. destruct (batch_sum N f F) as [I1 E1].
destruct (batches_line N 1 _ (- 2 * INR N * m) _ ((INR N * m) ^ 2) I I1) as [J K].
assert (X : forall l, length l = N -> 1 * (sum_of f l * sum_of f l) + - 2 * INR N * m * sum_of f l + (INR N * m) ^ 2 = (sum_of f l - INR N * m) ^ 2) by (intros; ring).
split; [apply integrable_ext with (1 := J), X|]. rewrite <- (batches_ext N _ _ X), K, E, E1, (proj2 (spread_form A ok M mean f F Q)). fold m. ring.
Qed.

(* An average over a batch is within (variance + 1)/(2 sqrt N) of its mean, on average. *)
Lemma average_error N f : (0 < N)%nat -> ok f -> ok (fun a => f a ^ 2) -> integrable ok M N (fun l => Rabs (sum_of f l / INR N - M f))
  /\ batches M N (fun l => Rabs (sum_of f l / INR N - M f)) <= (spread A M f + 1) / 2 / sqrt (INR N).
Proof.
intros H F Q. apply lt_0_INR in H. set (w := sqrt (INR N)). assert (W : 0 < w) by (apply sqrt_lt_R0, H). assert (WW : w * w = INR N) by (apply sqrt_sqrt; lra).
destruct (batch_square N f F Q) as [I E]. destruct (batches_line N (/ (2 * w * INR N)) _ 0 _ (/ (2 * w)) I I) as [J K].
assert (X : forall l, length l = N -> Rabs (sum_of f l / INR N - M f)
  <= / (2 * w * INR N) * (sum_of f l - INR N * M f) ^ 2 + 0 * (sum_of f l - INR N * M f) ^ 2 + / (2 * w)).
{ intros l _. set (u := sum_of f l - INR N * M f). replace (sum_of f l / INR N - M f) with (u / INR N) by (unfold u; field; lra).
  unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ INR N)) by (apply Rlt_le, Rinv_0_lt_compat, H). rewrite <- WW, <- (pow2_abs u).
  pose proof (Rabs_pos u) as V. set (v := Rabs u) in *. apply Rmult_le_reg_r with (2 * w * w * w); [repeat apply Rmult_lt_0_compat; lra|].
  replace (v * / (w * w) * (2 * w * w * w)) with (2 * v * w) by (field; lra).
  replace ((/ (2 * w * (w * w)) * v ^ 2 + 0 * v ^ 2 + / (2 * w)) * (2 * w * w * w)) with (v ^ 2 + w ^ 2) by (field; lra). pose proof (pow2_ge_0 (v - w)). lra. }
assert (D : integrable ok M N (fun l => Rabs (sum_of f l / INR N - M f))).
{ apply bounded_integrable with (1 := J). intros l L. rewrite Rabs_Rabsolu. apply X, L. }
split; [exact D|]. eapply Rle_trans; [apply (batches_le N _ _ D J), X|]. rewrite K, E. right. rewrite <- WW. field. lra.
Qed.
End Law.

(* Countably many: i has the probability p i. *)
(* Equations in a module of Coquelicot as those of numbers. *)
Ltac real := match goal with |- ?x = ?y => change (@eq R x y) end.
Section Countable.
Variable p : nat -> R.
Hypothesis positive : forall i, 0 <= p i.
Hypothesis sums : is_series p 1.
Definition summable (f : nat -> R) := ex_series (fun i => p i * Rabs (f i)).
Definition series_mean (f : nat -> R) := Series (fun i => p i * f i).

Lemma summable_series f : summable f -> ex_series (fun i => p i * f i).
Proof.
intro H. apply ex_series_Rabs. apply ex_series_ext with (2 := H). intro i. rewrite Rabs_mult, (Rabs_pos_eq (p i)) by apply positive. reflexivity.
Qed.
Lemma summable_below f g : summable g -> (forall i, Rabs (f i) <= Rabs (g i)) -> summable f.
Proof.
intros G H. unfold summable. apply @ex_series_le with (b := fun i => p i * Rabs (g i)); [|exact G]. intro i.
change (Rabs (p i * Rabs (f i)) <= p i * Rabs (g i)). rewrite Rabs_mult, Rabs_Rabsolu, (Rabs_pos_eq (p i)) by apply positive.
apply Rmult_le_compat_l; [apply positive | apply H].
Qed.

Theorem countable : discrete summable series_mean.
Proof.
split; [split; [|split; [|split]]|exact summable_below]; unfold series_mean.
- intro c. split.
  + unfold summable. apply ex_series_ext with (fun i => Rabs c * p i); [intro; apply Rmult_comm|]. apply (ex_series_scal_l (Rabs c) p (ex_intro _ 1 sums)).
  + rewrite (Series_ext _ (fun i => c * p i)) by (intro; ring). rewrite Series_scal_l, (is_series_unique _ _ sums). ring.
- intros c f H. split.
  + unfold summable. apply ex_series_ext with (fun i => Rabs c * (p i * Rabs (f i))); [intro i; rewrite Rabs_mult; real; ring|]. apply (ex_series_scal_l (Rabs c) (fun i => p i * Rabs (f i)) H).
  + rewrite <- Series_scal_l. apply Series_ext. intro i. ring.
- intros f g F G. split.
  + apply summable_below with (fun i => Rabs (f i) + Rabs (g i)).
    * unfold summable. apply ex_series_ext with (fun i => p i * Rabs (f i) + p i * Rabs (g i)); [|apply (ex_series_plus _ _ F G)].
      intro i. rewrite (Rabs_pos_eq (Rabs (f i) + Rabs (g i))) by (apply Rplus_le_le_0_compat; apply Rabs_pos). real; ring.
    * intro i. rewrite (Rabs_pos_eq (Rabs (f i) + Rabs (g i))) by (apply Rplus_le_le_0_compat; apply Rabs_pos). apply Rabs_triang.
  + rewrite <- Series_plus by (apply summable_series; assumption). apply Series_ext. intro i. ring.
- intros f g F G H. apply Rminus_le_0. rewrite <- Series_minus by (apply summable_series; assumption).
  apply Rle_trans with (Series (fun i => 0 * p i)); [rewrite Series_scal_l; lra|]. apply Series_le.
  + intro i. split; [lra|]. pose proof (Rmult_le_compat_l (p i) _ _ (positive i) (H i)). lra.
  + apply (ex_series_minus (fun i => p i * g i) (fun i => p i * f i)); apply summable_series; assumption.
Qed.
End Countable.
